"""Fashion captioning: generates the text of a product from its photo (the paper's task FC)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kaleido.app.application import TRAIN
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.model_folder import SavedModel, load_model
from kaleido.app.registry import register_task
from kaleido.app.result import Result
from kaleido.app.signatures import EMBED
from kaleido.backend import keras, ops
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.progress import tqdm
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.rows import jsonl_bytes
from kaleido.tasks.captioning.config import CaptionConfig
from kaleido.tasks.captioning.photo_captioner import Caption, PhotoCaptioner

if TYPE_CHECKING:
    from kaleido.model.kaleido_bert import KaleidoBert
    from kaleido.tasks.captioning.model import Captioner

TASK = "caption"


@register_task(TASK, "to describe a photo")
class Captioning(Finetuning):
    """Fine-tunes captioning of a product from its photo alone.

    Args:
        config: Configuration of `finetune`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Raises:
        UserError: if training texts are too long, or are masked in the records.
    """

    sections: ClassVar[Mapping[str, type]] = {"caption_config": CaptionConfig}
    free_keys = (
        "caption_config.beams",
        "caption_config.length_penalty",
        "caption_config.no_repeat_ngram",
        "caption_config.language",
    )
    answer = None
    provides = (EMBED, "caption")
    metric_tags = (f"loss/{TASK}", f"accuracy/{TASK}")

    def __init__(self, config: FinetuneConfig, saved: Path | None = None):
        super().__init__(config, saved)
        self.length = config.preprocess_config.max_text_length
        longest = self.architecture.max_position_embeddings
        if self.length > longest:
            raise UserError(
                f"preprocess_config.max_text_length must be at most {longest}, the text positions of the model. "
                f"Received: {self.length}"
            )
        if not saved:
            self._check_texts()

    @classmethod
    def check_config(cls, config: FinetuneConfig) -> None:
        if share := config.preprocess_config.word_dropout:
            raise UserError(
                "preprocess_config.word_dropout would take words out of the captions that are learned; set it to 0. "
                f"Received: {share}"
            )

    @classmethod
    def create_model(cls, content: Mapping[str, Any]) -> "Captioner":
        from kaleido.tasks.captioning.model import Captioner

        decoder = content["task_config"]["caption_config"]["decoder"]
        return Captioner(ModelConfig.from_dict(content["architecture"]), decoder)

    @classmethod
    def prediction_files(
        cls, rows: Sequence[Mapping[str, Any]], photos: Sequence[Callable[[], Any]]
    ) -> dict[str, bytes]:
        from kaleido.tasks.captioning.sheet import SheetItem, caption_sheet

        items = [SheetItem(row["photo"], read, row["caption"]) for row, read in zip(rows, photos, strict=True)]
        captions = {"captions.jsonl": jsonl_bytes(rows), "captions.html": caption_sheet("Captions", items).encode()}
        return super().prediction_files(rows, photos) | captions

    @classmethod
    def create_predictor(cls, saved: SavedModel, batch_size: int, **options: Any) -> PhotoCaptioner:
        return PhotoCaptioner(saved, batch_size, **options)

    @classmethod
    def result_files(cls, config: FinetuneConfig) -> tuple[str, ...]:
        split = config.evaluate_config.split
        return (f"captions-{split}.json", f"captions-{split}.jsonl")

    def copy_start(self, start: "KaleidoBert") -> None:
        super().copy_start(start)
        if "mlm" in start.heads:
            self.model.bert.heads["mlm"].set_weights(start.heads["mlm"].get_weights())

    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        """Computes the logits of every token but [CLS]: [B, T - 1, V]."""
        if self.model.decoder == "causal":
            return {TASK: self.model(features, training=mode == TRAIN)[TASK][:, :-1]}
        hidden = self._hidden(features, mode == TRAIN and self.config.caption_config.rounds > 1)
        logits = self.model(hidden, training=mode == TRAIN)[TASK]
        return {TASK: logits[:, 1 : ops.shape(features["token_ids"])[1]]}

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return {TASK: ops.sum(_counted(labels))}

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        counted = _counted(labels)
        hits = ops.equal(ops.cast(ops.argmax(logits[TASK], axis=-1), "int32"), labels["token_ids"][:, 1:])
        return {
            f"loss/{TASK}": (ops.sum(_losses(logits, labels)), ops.sum(counted)),
            f"accuracy/{TASK}": (ops.sum(ops.cast(hits, "float32") * counted), ops.sum(counted)),
        }

    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        """Predicts the most probable token at each position, [B, T - 1], with a causal decoder from the true tokens."""
        return {TASK: ops.argmax(output[TASK], axis=-1)}

    def run_caption(self, split: str) -> Iterator[Caption]:
        """Generates captions for the photos of a split with the saved model, in the order of the records."""
        options = asdict(self.config.caption_config)
        captioner = PhotoCaptioner(load_model(self.model_directory), self.config.evaluate_config.batch_size, **options)
        batches = self.batches(split)
        for batch in tqdm(batches, f"caption {split}", batches.evaluation_steps, leave=False, unit="batch"):
            yield from captioner.captions(batch)

    def evaluate(self) -> Result:
        from kaleido.tasks.captioning.report import caption_result

        split = self.config.evaluate_config.split
        records = self.open_records(split)
        return caption_result(records, list(self.run_caption(split)), asdict(self.config.caption_config))

    def _hidden(self, features, in_part):
        """Masks the text for `mask_predict`: [MASK] at all `length` positions but the first, whatever the text length.

        With `in_part`, half of the texts keep a random share of their tokens, and [SEP] and padding, as in later
        rounds of decoding.
        """
        tokens, seen = features["token_ids"], features["token_mask"]
        missing = self.length - ops.shape(tokens)[1]
        tokens, seen = (ops.pad(values, ((0, 0), (0, missing))) for values in (tokens, seen))
        first = ops.arange(self.length) == 0
        shown, attended = first & (seen > 0), ops.ones_like(seen)
        if in_part:
            rows = ops.shape(tokens)[0]
            share = keras.random.uniform((rows, 1), -1.0, 1.0, seed=self.model.generator)
            kept = keras.random.uniform((rows, self.length), seed=self.model.generator) > share
            ends = tokens == self.tokenizer.sep_id
            shown = shown | ((share > 0) & (seen > 0) & (kept | ends))
            attended = ops.where(share > 0, seen, attended)
        hidden = {name: values for name, values in features.items() if name != "token_types"}
        return {**hidden, "token_ids": ops.where(shown, tokens, self.tokenizer.mask_id), "token_mask": attended}

    def _check_texts(self) -> None:
        records: SplitRecords = self.open_records("train")
        if not isinstance(records, PhotoRecords):
            if records.content != "recognition":
                raise UserError(
                    f"{records.directory}: holds the original's data for {records.content}, whose texts are masked or "
                    "belong to other products; name records of its data for recognition"
                )
            return
        if self.config.caption_config.long_texts == "cut":
            return
        lengths = records.index.token_offsets[1:] - records.index.token_offsets[:-1] + 2
        if (long := int((lengths > self.length).sum())) > 0:
            raise UserError(
                f"{records.directory}: {long} of {len(lengths)} training texts are longer than "
                f"preprocess_config.max_text_length, the longest {lengths.max()} positions; raise it, or set "
                f"caption_config.long_texts to cut. Received: {self.length}"
            )


def _counted(batch):
    """Weights the tokens of a text and [SEP] by 1 and padding by 0: float32 [B, T - 1]."""
    return ops.cast(batch["token_mask"], "float32")[:, 1:]


def _losses(logits, batch):
    """Computes the cross-entropy of each token in nats, 0 for padding: float32 [B, T - 1]."""
    tokens, logits = batch["token_ids"][:, 1:], ops.cast(logits[TASK], "float32")
    return ops.sparse_categorical_crossentropy(tokens, logits, from_logits=True) * _counted(batch)
