"""A saved model for servers that have neither Kaleido nor Keras: as a TensorFlow SavedModel, or as ONNX files."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.app.model_folder import SavedModel
from kaleido.app.predictor import stored_text_length
from kaleido.app.signatures import ENCODE_IMAGE, ENCODE_TEXT, PHOTO, TEXT, Signature
from kaleido.atomic import folder_written_atomically
from kaleido.backend import keras
from kaleido.constants import LEVELS, PATCH_COUNTS, PATCHES
from kaleido.errors import UserError
from kaleido.pretrained.processor import PhotoProcessor
from kaleido.records.config import NO_TEXT
from kaleido.text import VOCABULARY_FILES, load_tokenizer

FORMAT = 3
EXTRA = "assets.extra"
"""Folder of a SavedModel that TensorFlow Serving leaves alone."""

ABOUT_FILE, LABELS_FILE = "kaleido.json", "labels.txt"
FEATURES = "features"
"""Folder of the SavedModel whose signatures take features and tokens, within the one that takes files and strings."""

NAMES = {ENCODE_IMAGE: "embed_image", ENCODE_TEXT: "embed_text"}
"""Names of signatures on files and strings, where they differ from those on features."""

BACKBONE = "backbone"
"""Name of the ONNX file of the network that encodes crops."""

_FILES, _STRINGS = "photos", "texts"
_SPECIAL = ("pad", "unk", "cls", "sep", "mask")
_OPSET = 18

_NO_TENSORFLOW_TEXT = "tensorflow-text is not installed: pip install 'kaleido-bert[export]'"


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes:
        signatures: Inputs of the signatures on files and strings, or of the ONNX files, by name.
        features: Inputs of the signatures on features and tokens, by name; empty for ONNX.
        left_out: Signatures on files and strings, or ONNX files, that cannot be written, with the reason.
    """

    signatures: dict[str, list[str]]
    features: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def export_saved_model(saved: SavedModel, directory: Path) -> Exported:
    """Writes a SavedModel that takes files of photos and strings, with one beside it that takes their features.

    Signatures of the first take `photos`, the bytes of JPEG or PNG files, and `texts`, UTF-8, both string [n]. Those of
    the second, in the folder `features`, take what they read of `token_ids` and `token_mask`, int32 [B, T]; `level1` to
    `level5`, float32 [B, n, D]; and `positions`, float32 [B, 55, 5]; B and T are free. In `assets.extra` lie
    `kaleido.json`, which describes both, the vocabulary and, for a classifier, `labels.txt`, a class a line.

    Args:
        saved: Model.
        directory: Folder to write; a model that was exported before is replaced, and nothing else.

    Raises:
        UserError: if the backend is not TensorFlow, the folder holds something else, or the disk refuses.
    """
    signatures = saved.application.signatures(saved.model)
    with _written(saved, Path(directory)) as folder:
        readers = _Readers(saved)
        whole = {NAMES.get(name, name): readers.signature(signature) for name, signature in signatures.items()}
        left_out = {name: reason for name, reason in whole.items() if isinstance(reason, str)}
        functions = {name: found for name, found in whole.items() if not isinstance(found, str)}
        if functions:
            _write(functions, folder, readers.texts)
        on_features = _on_features(saved)
        _write(on_features, folder / FEATURES)
        exported = Exported(_reads(functions), _reads(on_features), left_out)
        _describe(saved, exported, folder)
    return exported


def export_onnx(saved: SavedModel, directory: Path) -> Exported:
    """Writes an ONNX file of each signature on features and tokens, and one of the network that encodes crops.

    `backbone.onnx` takes `crops`, float32 [n, s, s, 3] in 0..255, and gives `features`, float32 [n, D]. The others have
    the inputs and outputs of the SavedModel's signatures on features. `assets.extra` is that of a SavedModel.

    Args:
        saved: Model.
        directory: Folder to write; a model that was exported before is replaced, and nothing else.

    Raises:
        UserError: if the backend is not TensorFlow, the folder holds something else, or the disk refuses.
        ModuleNotFoundError: if tf2onnx is not installed.
    """
    import tensorflow as tf
    import tf2onnx

    with _written(saved, Path(directory)) as folder:
        functions = _on_features(saved)
        left_out = {}
        backbone = _backbone(saved)
        if isinstance(backbone, str):
            left_out[BACKBONE] = backbone
        else:
            functions[BACKBONE] = backbone
        for name, (function, specs) in functions.items():
            whole = tf.function(function, autograph=False)
            found, _ = tf2onnx.convert.from_function(
                whole, [specs], opset=_OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
            )
            (folder / f"{name}.onnx").write_bytes(found.SerializeToString())
        exported = Exported(_reads(functions), left_out=left_out)
        _describe(saved, exported, folder)
    return exported


@contextmanager
def _written(saved: SavedModel, directory: Path) -> Iterator[Path]:
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "a model is exported by the TensorFlow backend alone; run this with KERAS_BACKEND=tensorflow, on "
            f"models trained with any. Received: {keras.backend.backend()}"
        )
    _check_replaceable(directory)
    with folder_written_atomically(directory) as folder:
        yield folder


class _Readers:
    """Prepares photos and texts of signatures in the graph; each is made when a signature first needs it.

    Attributes:
        texts: Tokenizer in the graph, which the SavedModel must keep; None if no signature reads texts.
    """

    def __init__(self, saved: SavedModel):
        self._saved = saved
        self._length = stored_text_length(saved)
        self._photos: Callable[[Any], dict[str, Any]] | str | None = None
        self.texts: Any = None
        self._no_texts = ""

    def signature(self, signature: Signature) -> "Function | str":
        """Makes a signature on files and strings of one on features, or says why there is none."""
        import tensorflow as tf

        if unknown := [array for array in signature.reads if array not in (*TEXT, *PHOTO)]:
            return f"reads {', '.join(unknown)}, which are made of neither photos nor texts"
        photos: Any = None
        texts: Any = None
        specs = {}
        if any(array in PHOTO for array in signature.reads):
            photos = self._photo_reader()
            specs[_FILES] = tf.TensorSpec((None,), tf.string, _FILES)
        if reads_text := any(array in TEXT for array in signature.reads):
            texts = self._text_reader()
            # A model that was trained without texts reads empty ones.
            if photos is None or self._length > NO_TEXT:
                specs[_STRINGS] = tf.TensorSpec((None,), tf.string, _STRINGS)
        for found in (photos, texts):
            if isinstance(found, str):
                return found

        def function(given: Mapping[str, Any]) -> dict[str, Any]:
            batch = photos(given[_FILES]) if photos else {}
            if reads_text:
                batch |= texts(given[_STRINGS] if _STRINGS in specs else tf.fill(tf.shape(given[_FILES]), ""))
            return signature.function({array: batch[array] for array in signature.reads})

        return function, specs

    def _photo_reader(self) -> Callable[[Any], dict[str, Any]] | str:
        import tensorflow as tf

        from kaleido.pretrained.graph.photos import photo_reader

        if self._photos is None:
            raw = bool(self._saved.model.config.compatibility.raw_positions)
            try:
                reader = photo_reader(PhotoProcessor(self._saved.directory, self._saved.content).extractor, raw)
                # Traced and stored once for all signatures.
                self._photos = tf.function(reader, [tf.TensorSpec((None,), tf.string)], autograph=False)
            except UserError as error:
                self._photos = str(error)
        return self._photos

    def _text_reader(self) -> Any:
        import tensorflow as tf

        from kaleido.pretrained.graph.texts import TextReader

        if self.texts is None and not self._no_texts:
            try:
                self.texts = TextReader(load_tokenizer(self._saved.directory), self._length)
            except UserError as error:
                self._no_texts = str(error)
            except ImportError:
                self._no_texts = _NO_TENSORFLOW_TEXT
            except tf.errors.NotFoundError:
                self._no_texts = f"the installed tensorflow-text is not of this TensorFlow, {tf.__version__}"
        return self._no_texts or self.texts


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """Replaces TensorFlow's Erfc, which ONNX does not have, by 1 - Erf."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(name)
    one = graph.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    error = graph.make_node("Erf", node.input, shapes=shapes, dtypes=dtypes).output[0]
    graph.make_node("Sub", [one, error], outputs=node.output, shapes=shapes, dtypes=dtypes)


def _on_features(saved: SavedModel) -> dict[str, "Function"]:
    inputs = _inputs(saved.model.config.feature_size)
    return {
        name: (signature.function, {array: inputs[array] for array in signature.reads})
        for name, signature in saved.application.signatures(saved.model).items()
    }


def _backbone(saved: SavedModel) -> "Function | str":
    """Returns the network that encodes crops, or why there is none."""
    import tensorflow as tf

    try:
        backbone = PhotoProcessor(saved.directory, saved.content).extractor.backbone
    except UserError as error:
        return str(error)
    network = getattr(backbone, "network", None)
    if network is None:
        return f"{backbone.name} is no network"
    specs = {"crops": tf.TensorSpec((None, None, None, 3), tf.float32, "crops")}
    return lambda batch: {"features": network(batch["crops"], training=False)}, specs


Function = tuple[Callable[[Mapping[str, Any]], dict[str, Any]], dict[str, Any]]
"""A function of arrays by name, and their specifications."""


def _reads(functions: Mapping[str, Function]) -> dict[str, list[str]]:
    return {name: list(specs) for name, (_, specs) in functions.items()}


def _describe(saved: SavedModel, exported: Exported, folder: Path) -> None:
    """Writes what a server needs besides the graph."""
    extra = folder / EXTRA
    extra.mkdir()
    about = _about(saved, exported, extra)
    (extra / ABOUT_FILE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if saved.labels:
        # As many lines as classes, also of a model whose classes were not read by an import.
        lines = "".join(f"{' '.join(label.split())}\n" for label in saved.labels)
        (extra / LABELS_FILE).write_text(lines, encoding="utf-8")


def _about(saved: SavedModel, exported: Exported, extra: Path) -> dict[str, Any]:
    """Describes the model, and writes its vocabulary, where it has one, into a folder."""
    content = saved.content
    text: dict[str, Any] = {"vocabulary": None, "max_text_length": stored_text_length(saved), "special_ids": {}}
    # A model of the original release may come without a vocabulary.
    if any(name in content["sha256"] for name in VOCABULARY_FILES):
        tokenizer = load_tokenizer(saved.directory)
        special = {name: getattr(tokenizer, f"{name}_id") for name in _SPECIAL}
        text |= {"vocabulary": tokenizer.save(extra).name, "special_ids": special}
    return {
        "format": FORMAT,
        "class": content["class"],
        "task": content["task"],
        "heads": content["heads"],
        "signatures": exported.signatures,
        "features": exported.features,
        "left_out": exported.left_out,
        "text": text,
        "photos": content["processor"].get("photos"),
        "raw_positions": bool(saved.model.config.compatibility.raw_positions),
        "labels": content["labels"],
        "architecture": content["architecture"],
    }


def _check_replaceable(directory: Path) -> None:
    if not directory.name or (directory.exists() and not directory.is_dir()):
        raise UserError(f"{directory}: cannot become an exported model; name a new folder")
    if directory.exists() and any(directory.iterdir()) and not (directory / EXTRA / ABOUT_FILE).is_file():
        raise UserError(f"{directory}: holds other files than an exported model; name another folder or empty it")


def _write(functions: Mapping[str, Function], folder: Path, resources: Any = None) -> None:
    import tensorflow as tf

    traced = {
        name: tf.function(function, autograph=False).get_concrete_function(specs)
        for name, (function, specs) in functions.items()
    }
    module = tf.Module()
    # Only variables that an output depends on: heads of pre-training stay behind. Keras objects do too, which only a
    # Python with Keras could load.
    module.variables_of_answers = [*{id(v): v for f in traced.values() for v in f.variables}.values()]
    module.resources = resources
    try:
        tf.saved_model.save(module, str(folder), signatures=traced)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _inputs(feature_size: int) -> Mapping[str, Any]:
    import tensorflow as tf

    texts = {name: tf.TensorSpec((None, None), tf.int32, name) for name in TEXT}
    levels = {
        f"level{level}": tf.TensorSpec((None, count, feature_size), tf.float32, f"level{level}")
        for level, count in zip(LEVELS, PATCH_COUNTS)
    }
    return {**texts, **levels, "positions": tf.TensorSpec((None, PATCHES, 5), tf.float32, "positions")}
