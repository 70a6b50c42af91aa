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


_RECOGNITION = "kaleido.report.recognition.write_recognition"

FINETUNING_TASKS = {
    "category": FinetuningTask(
        "kaleido.app.recognition.Recognition", _RECOGNITION, "to recognise the category of a product"
    ),
    "subcategory": FinetuningTask("kaleido.app.recognition.Recognition", _RECOGNITION, "to recognise its sub-category"),
    "attribute": FinetuningTask(
        "kaleido.app.attribute.AttributeRecognition", _RECOGNITION, "to recognise a further column of its catalogue"
    ),
    "caption": FinetuningTask(
        "kaleido.app.captioning.Captioning", "kaleido.report.captions.write_captions", "to describe a photo"
    ),
    "retrieval": FinetuningTask(
        "kaleido.app.matching.Matching",
        "kaleido.report.matching.write_matching",
        "to tell a photo's text from other products'",
    ),
    "contrastive": FinetuningTask(
        "kaleido.app.contrastive.Contrastive",
        "kaleido.report.matching.write_towers",
        "the same by two towers without an encoder",
    ),
}
