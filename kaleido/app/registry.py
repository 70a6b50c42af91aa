"""The tasks that a model can be fine-tuned for; a new one is a line here."""

from typing import NamedTuple


class FinetuningTask(NamedTuple):
    """A task by names alone, so that listing tasks imports no framework.

    Attributes:
        application: Its class.
        report: What writes and tells what was reached: of the application and a split.
        description: What is learned.
    """

    application: str
    report: str
    description: str


_RECOGNITION = "kaleido.tasks.classification.report.write_recognition"

FINETUNING_TASKS = {
    "category": FinetuningTask(
        "kaleido.tasks.classification.application.Recognition", _RECOGNITION, "to recognise the category of a product"
    ),
    "subcategory": FinetuningTask(
        "kaleido.tasks.classification.application.Recognition", _RECOGNITION, "to recognise its sub-category"
    ),
    "attribute": FinetuningTask(
        "kaleido.tasks.classification.attribute.AttributeRecognition",
        _RECOGNITION,
        "to recognise a further column of its catalogue",
    ),
    "caption": FinetuningTask(
        "kaleido.tasks.captioning.application.Captioning",
        "kaleido.tasks.captioning.report.write_captions",
        "to describe a photo",
    ),
    "retrieval": FinetuningTask(
        "kaleido.tasks.matching.application.Matching",
        "kaleido.tasks.matching.report.write_matching",
        "to tell a photo's text from other products'",
    ),
    "contrastive": FinetuningTask(
        "kaleido.tasks.matching.contrastive.Contrastive",
        "kaleido.tasks.matching.report.write_towers",
        "the same by two towers without an encoder",
    ),
}
