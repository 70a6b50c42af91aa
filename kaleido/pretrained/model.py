"""A saved model in use from Python."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

import kaleido
from kaleido.app.model_card import model_card
from kaleido.app.model_folder import load_model
from kaleido.app.predictor import Predictor, SignatureRunner, stored_text_length
from kaleido.app.registry import tasks
from kaleido.app.signatures import CLASSIFY, EMBED, ENCODE_IMAGE, ENCODE_TEXT, MATCH
from kaleido.atomic import folder_written_atomically
from kaleido.backend import precision
from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.network_folder import CARD_FILE, WEIGHTS_FILE, copy_network, is_network_folder, write_network
from kaleido.pretrained.inputs import Photos, Texts, examples_of, text_items
from kaleido.pretrained.processor import PhotoProcessor, prepared_like
from kaleido.progress import progress_bars, tqdm
from kaleido.records.config import PrepareConfig
from kaleido.untrusted import inner_file, read_plain

if TYPE_CHECKING:
    from kaleido.records.folder import Records

OnError = Literal["stop", "skip"]
Row = TypeVar("Row")

BATCH_SIZE = 16
_CAPTION = "caption"
_NAMED = 5


class Model:
    """A trained model: photos and texts in; embeddings, classes, matches and captions out.

    `kaleido.load`, `kaleido.pretrain` and `kaleido.finetune` give one. What a model can do depends on its task; the
    other methods raise a `UserError` that names the tasks that have them.

    Wherever photos are taken, one photo, a list or a generator will do. A photo is a path, the bytes of an encoded
    picture, a PIL image, or uint8 [H, W, 3]. Texts are one for each photo, or a single `str` for all; a single photo
    goes with each of several texts. Texts are read as they are given; imports and tables for `predict` take markup off
    theirs, which `kaleido.catalog.plain_text.plain_text` does for a text with HTML. The methods that take photos have
    these arguments in common:

    - `batch_size`: examples at once.
    - `on_error`: `stop` raises a `UserError` that names the first unreadable photo, by its path or its place counted
      from 0; `skip` gives a row of NaN in arrays, or an empty row in lists, and one warning.
    - `progress`: whether a progress bar is drawn.

    Args:
        directory: Folder of the saved model.

    Attributes:
        directory: Folder of the saved model.
        result: Metrics of the evaluation after the training that made it; None for a model that was loaded.

    Raises:
        UserError: if there is no model, it is damaged, or its task is not registered.
    """

    directory: Path
    result: Mapping[str, Any] | None = None

    def __init__(self, directory: str | os.PathLike[str]):
        self.directory = Path(directory)
        # Whatever precision a training in this process has set.
        with precision("float32"):
            self._saved = load_model(self.directory)
        self._processor = PhotoProcessor(self.directory, self._saved.content)
        self._runners: dict[tuple[str, int], SignatureRunner] = {}
        self._predictors: dict[tuple[int, str], Predictor] = {}

    @property
    def task(self) -> str:
        """Name of the task that the model was trained for."""
        return self._saved.content["task"]

    @property
    def labels(self) -> list[str]:
        """Names of the classes that the model tells apart; empty if it is no classifier."""
        return list(self._saved.labels)

    @property
    def text_length(self) -> int:
        """Number of tokens of a text that the model reads at most, [CLS] and [SEP] included."""
        return stored_text_length(self._saved)

    @property
    def signatures(self) -> list[str]:
        """Names of the functions that the model has, which are also those of an exported SavedModel."""
        return list(self._saved.application.signatures(self._saved.model))

    @property
    def config(self) -> dict[str, Any]:
        """Content of the model's `config.json`: class, task, architecture, labels, preparation and training."""
        return dict(self._saved.content)

    def __repr__(self) -> str:
        labels = f", {len(self.labels)} labels" if self.labels else ""
        return f"Model({str(self.directory)!r}: task {self.task}, {', '.join(self.signatures)}{labels})"

    def encode_image(
        self, photos: "Photos", *, batch_size: int = BATCH_SIZE, on_error: OnError = "stop", progress: bool = True
    ) -> np.ndarray:
        """Encodes photos for search, by a two-tower model.

        Args:
            photos: Photos.
            batch_size: Photos at once.
            on_error: What an unreadable photo does.
            progress: Whether a progress bar is drawn.

        Returns:
            Embeddings of length 1, float32 [n, d]; their dot products with those of `encode_text` are cosines.

        Raises:
            UserError: if the model has no two-tower model, or a photo cannot be read.
        """
        return self._array(ENCODE_IMAGE, "embedding", photos, None, batch_size, on_error, progress)

    def encode_text(self, texts: "Texts", *, batch_size: int = BATCH_SIZE, progress: bool = True) -> np.ndarray:
        """Encodes texts for search, by a two-tower model.

        Args:
            texts: Texts; longer ones than the model reads are cut, with a warning.
            batch_size: Texts at once.
            progress: Whether a progress bar is drawn.

        Returns:
            Embeddings of length 1, float32 [n, d]; their dot products with those of `encode_image` are cosines.

        Raises:
            UserError: if the model has no two-tower model.
        """
        runner = self._runner(ENCODE_TEXT, batch_size)
        found, before = list(text_items(texts)), runner.cut
        starts = range(0, len(found), batch_size)
        with progress_bars(progress):
            bar = tqdm(starts, "texts", unit="batch", disable=len(starts) < 2)
            parts = [runner({}, found[start : start + batch_size])["embedding"] for start in bar]
        self._warn_of_cut(runner, before)
        return np.concatenate(parts or [runner({}, [""])["embedding"][:0]]).astype(np.float32)

    def embed(
        self,
        photos: "Photos",
        texts: "Texts | None" = None,
        *,
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        progress: bool = True,
    ) -> np.ndarray:
        """Embeds photos together with their texts, which attend to one another.

        Args:
            photos: Photos.
            texts: One for each photo, or a single one for all; without, empty texts.
            batch_size: Examples at once.
            on_error: What an unreadable photo does.
            progress: Whether a progress bar is drawn.

        Returns:
            float32 [n, H], the pooled output of the encoder.

        Raises:
            UserError: if the model has no encoder, or a photo cannot be read.
        """
        return self._array(EMBED, "pooled", photos, texts, batch_size, on_error, progress)

    def match(
        self,
        photos: "Photos",
        texts: "Texts",
        *,
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        progress: bool = True,
    ) -> np.ndarray:
        """Computes how likely photo and text belong together.

        Args:
            photos: Photos.
            texts: One for each photo, or a single one for all.
            batch_size: Examples at once.
            on_error: What an unreadable photo does.
            progress: Whether a progress bar is drawn.

        Returns:
            Probabilities, float32 [n].

        Raises:
            UserError: if the model was not trained to match, or a photo cannot be read.
        """
        _check_texts(texts)
        return self._array(MATCH, "probability", photos, texts, batch_size, on_error, progress)

    def classify(
        self,
        photos: "Photos",
        texts: "Texts | None" = None,
        *,
        top: int = 3,
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        progress: bool = True,
    ) -> list[list[tuple[str, float]]]:
        """Classifies photos with their texts.

        Args:
            photos: Photos.
            texts: One for each photo, or a single one for all. Without, a model that was trained with texts reads empty
                ones, which costs accuracy.
            top: Number of classes to give.
            batch_size: Examples at once.
            on_error: What an unreadable photo does.
            progress: Whether a progress bar is drawn.

        Returns:
            For each photo the likeliest classes and their probabilities, the likeliest first.

        Raises:
            UserError: if the model is no classifier, or a photo cannot be read.
        """
        if top < 1:
            raise UserError(f"top must be at least 1. Received: {top}")
        every = self._array(CLASSIFY, "probabilities", photos, texts, batch_size, on_error, progress)
        labels = self.labels
        return [
            []
            if np.isnan(row).all()
            else [(labels[number], float(row[number])) for number in np.argsort(-row, kind="stable")[:top]]
            for row in every
        ]

    def caption(
        self,
        photos: "Photos",
        *,
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        progress: bool = True,
        **options: Any,
    ) -> list[str]:
        """Captions photos.

        Args:
            photos: Photos.
            batch_size: Photos at once.
            on_error: What an unreadable photo does.
            progress: Whether a progress bar is drawn.
            options: Keys of `caption_config` instead of those of the training: `beams`, `length_penalty`,
                `no_repeat_ngram`, `rounds`.

        Returns:
            A caption for each photo.

        Raises:
            UserError: if the model was not trained to caption, a photo cannot be read or an option cannot be used.
        """
        self._require(_CAPTION, _CAPTION in self._saved.application.provides)
        rows = self.predict(photos, batch_size=batch_size, on_error=on_error, progress=progress, **options)
        return [row.get("caption", "") for row in rows]

    def predict(
        self,
        photos: "Photos",
        texts: "Texts | None" = None,
        *,
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        progress: bool = True,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """Predicts what the model's task is about, whatever the task.

        Args:
            photos: Photos.
            texts: One for each photo, or a single one for all.
            batch_size: Examples at once.
            on_error: What an unreadable photo does.
            progress: Whether a progress bar is drawn.
            options: Options of the task's sections that change how a trained model is used.

        Returns:
            For each photo the columns that the command `predict` writes.

        Raises:
            UserError: if the model's task has no predictions, a text is missing, or a photo cannot be read.
        """
        predictor = self._predictor(batch_size, **options)
        if predictor.needs_text:
            _check_texts(texts)
        rows = self._rows(predictor, predictor, photos, texts, batch_size, on_error, progress)
        return [row or {} for row in rows]

    def _predictor(self, batch_size: int, **options: Any) -> Predictor:
        """Returns the predictor that makes the rows of `predict`; the same arguments share one."""
        _check_batch_size(batch_size)
        application = self._saved.application
        if application.answer is not None:
            self._require(application.answer, application.answer in self.signatures)
        key = (batch_size, repr(sorted(options.items())))
        if key not in self._predictors:
            self._predictors[key] = application.create_predictor(self._saved, batch_size, **options)
        return self._predictors[key]

    def features(
        self,
        photos: "Photos",
        *,
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        progress: bool = True,
    ) -> dict[str, np.ndarray]:
        """Computes what the model reads of photos, as an exported SavedModel takes it.

        Args:
            photos: Photos.
            batch_size: Photos at once.
            on_error: What an unreadable photo does.
            progress: Whether a progress bar is drawn.

        Returns:
            `level1` to `level5`, float32 [n, 1, 4, 9, 16 or 25, D], and `positions`, float32 [n, 55, 5].

        Raises:
            UserError: if the model does not say how its photos were prepared, or a photo cannot be read.
        """
        _check_batch_size(batch_size)
        blank = self._processor.blank()

        def rows(batch: Mapping[str, np.ndarray], texts: Sequence[str]) -> list[dict[str, np.ndarray]]:
            return [{name: values[row] for name, values in batch.items()} for row in range(len(texts))]

        found = self._rows(rows, None, photos, None, batch_size, on_error, progress)
        return {
            name: _stacked([None if row is None else row[name] for row in found], values[0])
            for name, values in blank.items()
        }

    def prepare(self, catalog: Any, out: str | os.PathLike[str], **options: Any) -> "Records":
        """Prepares a catalogue like this model's own records, so that the model can be fine-tuned on them.

        Args:
            catalog: A catalogue, or its folder.
            out: Folder of the records to write.
            options: Other arguments of `kaleido.prepare`: `overwrite`, `progress`, and fields of `PrepareConfig`.

        Raises:
            UserError: as `kaleido.prepare` does, or if an option asks for another preparation.
        """
        from kaleido.records.prepare import prepare

        given = {name: value for name, value in options.items() if name in ("overwrite", "progress")}
        config = PrepareConfig(**{name: value for name, value in options.items() if name not in given})
        return prepare(catalog, Path(out), config=prepared_like(self.config, self.directory, config), **given)

    def finetune(
        self,
        records: "str | os.PathLike[str] | Records",
        task: str,
        out: str | os.PathLike[str],
        *,
        config: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        progress: bool = True,
        options: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> "Model":
        """Fine-tunes this model for a task, in a folder of its own; see `kaleido.finetune`.

        Args:
            records: Records that were prepared like those of this model.
            task: Name of a task: `category`, `subcategory`, `attribute`, `retrieval`, `caption` or a registered one.
            out: Folder of the run.
            config: YAML files, or names of ready configurations.
            progress: Whether progress bars are drawn.
            options: Keys of the configuration by dotted name.
            values: Keys or aliases of the configuration: `steps`, `batch_size`, `lr`, `seed`, ...

        Returns:
            The fine-tuned model, with the metrics of its evaluation in `result`.

        Raises:
            UserError: if the model was fine-tuned already, or an option cannot be used.
        """
        return kaleido.finetune(
            records, task, out, model=self, config=config, progress=progress, options=options, **values
        )

    def evaluate(self, records: "str | os.PathLike[str] | Records", **arguments: Any) -> dict[str, Any]:
        """Evaluates the model on held-out products; see `kaleido.evaluate`.

        Args:
            records: Records that were prepared like those of this model.
            arguments: Arguments of `kaleido.evaluate`: `split`, `protocol`, `out`, ...

        Returns:
            Metrics by name.

        Raises:
            UserError: if the records are of another backbone or vocabulary, or an option cannot be used.
        """
        return kaleido.evaluate(self, records, **arguments)

    def save(self, directory: str | os.PathLike[str], *, dtype: Literal["float16"] | None = None) -> None:
        """Saves the model with all that is needed to use it and a model card, `README.md`.

        Args:
            directory: Folder to write; a saved model that is there is replaced.
            dtype: `float16` halves the file of the weights, which are rounded; a loaded model computes in float32.

        Raises:
            UserError: if the folder holds other files than a model, or the disk refuses.
        """
        target = Path(directory)
        if not target.name or (target.exists() and not target.is_dir()):
            raise UserError(f"{target}: cannot become a model folder; name a new folder")
        if target.exists() and any(target.iterdir()) and not is_network_folder(target):
            raise UserError(f"{target}: holds other files than a model; name another folder or empty it")
        card, content = self.directory / CARD_FILE, self._saved.content

        def finish(folder: Path) -> None:
            text = model_card(content, self.result)
            if card.is_file():
                text = read_plain(inner_file(self.directory, CARD_FILE)).decode(errors="replace")
            (folder / CARD_FILE).write_text(text, encoding="utf-8")

        def copy_others(folder: Path) -> None:
            for name in content["sha256"].keys() - {WEIGHTS_FILE}:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(inner_file(self.directory, name), folder / name)
            finish(folder)

        if dtype:
            write_network(target, content, self._saved.model.weights, copy_others, dtype)
            return
        with folder_written_atomically(target) as folder:
            copy_network(self.directory, folder)
            finish(folder)

    def export(
        self, directory: str | os.PathLike[str], *, format: Literal["saved_model", "onnx"] = "saved_model"
    ) -> list[str]:
        """Writes the model for servers that have neither Kaleido nor Keras.

        `saved_model` is a TensorFlow SavedModel whose signatures take files of photos and strings, with one beside it,
        in the folder `features`, whose signatures are those of this model. `onnx` is a file of each of these, and
        `backbone.onnx`.

        Args:
            directory: Folder to write; a model that was exported before is replaced.
            format: `saved_model` or `onnx`.

        Returns:
            Names of the signatures on files and strings, or of the ONNX files. Those that cannot be written are named
            in a warning, with the reason.

        Raises:
            UserError: if the backend is not TensorFlow, the folder holds something else, or the disk refuses.
        """
        from kaleido.pretrained.export import export_onnx, export_saved_model

        if format not in ("saved_model", "onnx"):
            raise UserError(f"format must be one of saved_model, onnx. Received: {format}")
        write = export_onnx if format == "onnx" else export_saved_model
        with missing_extras_named():
            exported = write(self._saved, Path(directory))
        for name, reason in exported.left_out.items():
            warnings.warn(f"{directory}: {name} is left out: {reason}", stacklevel=2)
        return list(exported.signatures)

    def _require(self, name: str, there: bool) -> None:
        if there:
            return
        having = sorted(task for task, registered in tasks().items() if name in registered.application.provides)
        has = list(dict.fromkeys((*self.signatures, *(self._saved.application.provides))))
        raise UserError(
            f"{self.directory}: this model of the task {self.task} has no {name}; it has "
            f"{', '.join(n for n in has if n in self.signatures or n == _CAPTION)}; models of the tasks "
            f"{', '.join(having) or 'none'} have it"
        )

    def _runner(self, name: str, batch_size: int) -> SignatureRunner:
        _check_batch_size(batch_size)
        self._require(name, name in self.signatures)
        key = (name, batch_size)
        if key not in self._runners:
            self._runners[key] = SignatureRunner(self._saved, name, batch_size)
        return self._runners[key]

    def _array(
        self,
        name: str,
        output: str,
        photos: "Photos",
        texts: "Texts | None",
        batch_size: int,
        on_error: str,
        progress: bool,
    ) -> np.ndarray:
        """One output of a signature for all examples, float32 [n, ...]; NaN where a photo cannot be read."""
        runner = self._runner(name, batch_size)
        rows = self._rows(
            lambda batch, listed: runner(batch, listed)[output], runner, photos, texts, batch_size, on_error, progress
        )
        if all(row is None for row in rows):
            return _stacked(rows, runner(self._processor.blank(), [""])[output][0])
        return _stacked(rows, next(row for row in rows if row is not None))

    def _rows(
        self,
        ask: Callable[[Mapping[str, np.ndarray], Sequence[str]], Iterable[Row]],
        reader: "SignatureRunner | Predictor | None",
        photos: "Photos",
        texts: "Texts | None",
        batch_size: int,
        on_error: str,
        progress: bool,
    ) -> list[Row | None]:
        """Collects the rows that `ask` returns for batches of examples; None where a photo cannot be read."""
        if on_error not in ("stop", "skip"):
            raise UserError(f"on_error must be one of stop, skip. Received: {on_error}")
        groups, total = examples_of(photos, texts)
        if texts is not None and reader and not reader.reads_text:
            warnings.warn(f"{self.directory}: this model reads photos alone; the texts are not used", stacklevel=4)
        before = reader.cut if reader else 0
        unreadable: dict[str, str] = {}
        found: dict[int, Row] = {}
        seen = 0

        def counted() -> Any:
            nonlocal seen
            for group in groups:
                seen += len(group.examples)
                yield group

        with progress_bars(progress):
            skipped = unreadable if on_error == "skip" else None
            for examples, batch in self._processor.batches(counted(), batch_size, total, skipped):
                answers = ask(batch, [example.text for example in examples])
                found |= {example.place: answer for example, answer in zip(examples, answers)}
        if reader:
            self._warn_of_cut(reader, before)
        if unreadable:
            named = [f"{name}: {reason}" for name, reason in list(unreadable.items())[:_NAMED]]
            more = f"; and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
            warnings.warn(f"photos that cannot be read: {len(unreadable)} ({'; '.join(named)}{more})", stacklevel=4)
        return [found.get(place) for place in range(seen)]

    def _warn_of_cut(self, reader: "SignatureRunner | Predictor", before: int) -> None:
        if cut := reader.cut - before:
            warnings.warn(
                f"texts cut to the {reader.length} positions that the model was trained with: {cut}", stacklevel=4
            )


def _stacked(rows: Sequence[np.ndarray | None], like: np.ndarray) -> np.ndarray:
    """Rows as float32 [n, ...], NaN where there is none; `like` has the shape of a row."""
    found = np.full((len(rows), *like.shape), np.nan, np.float32)
    for place, row in enumerate(rows):
        if row is not None:
            found[place] = row
    return found


def _check_texts(texts: Texts | None) -> None:
    if texts is None:
        raise UserError("this model tells whether a photo and a text belong together; give texts. Received: None")


def _check_batch_size(batch_size: int) -> None:
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f"batch_size must be an int of at least 1. Received: {batch_size}")
