"""Folders of strangers: what their files say is changed, and all checksums are made right again."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from fuzz_files import Files, build_catalog, build_records, read_catalog
from mutations import NUMBERS, mutate
from reseal import (
    PLACES,
    mutate_file,
    mutate_value,
    put_place,
    reseal,
    reseal_lists,
    reseal_records,
    reseal_state,
)

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmno"]
PHOTO = np.full((30, 40, 3), 255, np.uint8)
PHOTO[5:20, 5:20] = (200, 30, 60)


class Resealed(Files):
    """A folder in which the meaning of one file is changed, and all checksums are made right.

    Args:
        build: Fills the folder that is then changed.
        read: Reads it; is also given the name of the file that was changed.
        patterns: The files that may be changed.
        seal: Makes the checksums right.
    """

    def __init__(
        self,
        build: Callable[[Path], None],
        read: Callable[[Path, str], None],
        patterns: Sequence[str],
        seal: Callable[[Path], None] = lambda folder: None,
    ):
        super().__init__(build, lambda folder: None, patterns)
        self._read_changed, self._seal = read, seal

    def make(self, rng: random.Random) -> bytes:
        names = [name for name in sorted(self._sound) if any(Path(name).match(p) for p in self._patterns)]
        name = rng.choice(names)
        if rng.random() < 0.06:
            return f"{name}\n{rng.choice(PLACES)}".encode()
        content = self._changed(name, self._sound[name], rng) if rng.random() < 0.97 else self._sound[name]
        return name.encode() + b"\n\n" + content

    def _changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.15:
            return mutate(data, rng, NUMBERS)
        try:
            return mutate_file(name, data, rng)
        except ValueError:
            return mutate(data, rng, NUMBERS)

    def read(self, data: bytes, folder: Path) -> None:
        head, separator, content = data.partition(b"\n\n")
        changed = (head if separator else data.partition(b"\n")[0]).decode()
        for name, sound in self._sound.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if separator and name == changed else sound)
        self._seal(folder)
        if not separator:
            put_place(folder / changed, data.partition(b"\n")[2].decode())
        self._read_changed(folder, changed)


def build_models(folder: Path) -> None:
    """Model folders of all tasks, of random weights."""
    from dataclasses import asdict

    from kaleido.app.model_folder import save_model
    from kaleido.model.config import ModelConfig
    from kaleido.model.kaleido_bert import KaleidoBert
    from kaleido.tasks.captioning.config import CaptionConfig
    from kaleido.tasks.captioning.model import Captioner
    from kaleido.tasks.classification.config import RecognitionConfig
    from kaleido.tasks.classification.model import Classifier
    from kaleido.tasks.matching.config import RetrievalConfig
    from kaleido.tasks.matching.matcher import Matcher
    from kaleido.tasks.matching.two_tower import TwoTower
    from kaleido.text import WordPieceTokenizer

    sizes = {"num_layers": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8, "max_position_embeddings": 16}
    config = ModelConfig(vocab_size=len(TOKENS), feature_size=64, **sizes)
    models = {
        "pretraining": KaleidoBert(config, ["mlm", "itm"]),
        "category": Classifier(config, "category", 3),
        "contrastive": TwoTower(config, [1, 2]),
        "retrieval": Matcher(config),
        "caption": Captioner(config, "causal"),
    }
    sections = {
        "category": {"recognition_config": asdict(RecognitionConfig())},
        "contrastive": {"levels": [1, 2]},
        "retrieval": {"retrieval_config": asdict(RetrievalConfig())},
        "caption": {"caption_config": asdict(CaptionConfig(beams=1))},
    }
    for task, model in models.items():
        save_model(
            folder / task,
            model,
            task,
            WordPieceTokenizer(TOKENS),
            labels=["a", "b", "c"] if task == "category" else (),
            task_config=sections.get(task),
            processor={
                "text_length": 8,
                "backbone": "random",
                "photos": {"backbone": "random", "saliency": "border", "crop_sizes": [16, 16, 8, 8, 8]},
                "vocabulary": {"file": "vocab.txt", "size": len(TOKENS), "sha256": "0" * 64},
            },
            training={"seed": 1, "train_config": {"batch_size": 2}},
            records={"fingerprint": "f", "catalog": {"name": "c"}},
        )


def read_models(folder: Path, changed: str) -> None:
    import warnings

    import tensorflow as tf

    import kaleido

    tf.config.run_functions_eagerly(True)  # a model is asked once, and tracing takes ten times as long
    directory = folder / Path(changed).parts[0]
    model = kaleido.load(directory)
    repr(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        texts = "ab" if model.task == "retrieval" or model.task == "pretraining" else None
        if model.task == "contrastive":
            assert np.isfinite(model.encode_text(["ab"])).all()
        else:
            rows = model.predict([PHOTO], texts, batch_size=1, progress=False)
            json.dumps(rows)


def build_networks(folder: Path) -> None:
    """An aligner, and a saliency net."""
    from kaleido.alignment.aligner import Aligner
    from kaleido.alignment.captioner import AlignmentCaptioner
    from kaleido.alignment.config import AlignConfig
    from kaleido.text import WordPieceTokenizer
    from kaleido.vision.saliency.unet import build_unet
    from kaleido.vision.saliency.weights import save_network

    tokenizer = WordPieceTokenizer(TOKENS)
    model = AlignmentCaptioner(len(TOKENS), 6, tokenizer.cls_id, tokenizer.sep_id, 8)
    Aligner(model, tokenizer, AlignConfig(), 0.3).save(folder / "aligner", {"catalog": {}, "seed": 0})
    save_network(build_unet(), folder / "saliency")


def read_networks(folder: Path, changed: str) -> None:
    import tensorflow as tf

    from kaleido.alignment.aligner import Aligner
    from kaleido.text import WordPieceTokenizer
    from kaleido.vision.saliency.unet_saliency import UnetSaliency

    tf.config.run_functions_eagerly(True)
    if changed.startswith("aligner"):
        aligner = Aligner.load(folder / "aligner", WordPieceTokenizer(TOKENS))
        if aligner is not None:
            maps, product = np.zeros((1, 196, 6), np.float16), np.ones((1, 196), np.float32)
            aligner.align([(np.array([5, 6]), np.array([0, 1]))], maps, product)
    else:
        UnetSaliency(str(folder / "saliency")).mask(PHOTO)


def build_sealed_records(folder: Path) -> None:
    from kaleido.text import WordPieceTokenizer

    build_records(folder)
    records = folder / "records"
    vocabulary = WordPieceTokenizer([*TOKENS, *map(str, range(100 - len(TOKENS)))]).save(records)
    content = json.loads((records / "metadata.json").read_text())
    content |= {
        "vocabulary": {"file": vocabulary.name, "size": 100, "sha256": ""},
        "catalog": {"name": "c", "fingerprint": "f"},
        "config": {"backbone": "random", "saliency": "none", "grid": "kaleido", "backbone_weights": None},
        "products": {"train": 12},
    }
    (records / "metadata.json").write_text(json.dumps(content))


def read_sealed_records(folder: Path, changed: str) -> None:
    from kaleido.alignment.product_maps import ProductMaps
    from kaleido.errors import UserError
    from kaleido.records.folder import Records

    records = Records(folder / "records")
    repr(records)
    for batch in records.batches("train", 4, training=False):
        assert batch["token_ids"].min() >= 0
    split = records.open("train")
    split.verify()
    for row in range(len(split)):
        try:
            example = split.example(row)
            split.product(row)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            example["text"].decode(errors="replace")
    split.photo_ids()
    ProductMaps(split.metadata)


def build_index(folder: Path) -> None:
    import pyarrow as pa

    from kaleido.search.store import VECTOR, Store
    from kaleido.search.thumbnails import thumbnail
    from kaleido.search.vector_file import vector_column

    count = 6
    texts = {name: [f"{name}{n}" for n in range(count)] for name in ("id", "photo", "title", "text", "stamp", "state")}
    columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    columns |= {"c_price": pa.array(range(count), pa.float64()), "c_colour": pa.array(["red"] * count)}
    vectors = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float16)
    store = Store(str(folder / "index"))
    about = {
        "format": 1,
        "model": "0" * 64,
        "model_place": "/nowhere",
        "task": "contrastive",
        "kind": "image",
        "source": "s",
    }
    store.create(pa.table({**columns, VECTOR: vector_column(vectors)}), about)
    schema = pa.schema([("stamp", pa.string()), ("jpeg", pa.binary())])
    picture = thumbnail(PHOTO, 178)
    batch = pa.RecordBatch.from_arrays([pa.array(texts["stamp"]), pa.array([picture] * count)], schema=schema)
    store.add_thumbnails([batch], schema)


class IndexFolder(Resealed):
    """An index whose files are damaged, or whose columns and description are another program's."""

    def __init__(self):
        super().__init__(build_index, read_index, ["index/*/*/*", "index/*/*"])

    def make(self, rng):
        if rng.random() < 0.6:
            return b"columns\n\n" + rng.randbytes(8)
        return super().make(rng)

    def read(self, data, folder):
        name, _, seed = data.partition(b"\n\n")
        if name != b"columns":
            return super().read(data, folder)
        import pyarrow as pa

        from kaleido.search.store import PHOTOS, Store

        build_index(folder)
        rng = random.Random(seed)
        store = Store(str(folder / "index"))
        table = store._table(PHOTOS).to_arrow()
        about = json.loads(table.schema.metadata[b"kaleido"])
        name = rng.choice(table.column_names)
        place = table.column_names.index(name)
        other: list = [
            pa.array([None, *["x"] * 5]), pa.array([1] * 6), pa.array([float("nan")] * 6), pa.array([[1.0]] * 6),
            pa.array([b"x"] * 6), pa.array(["\x1b[31m"] * 6), table.column(rng.choice(table.column_names)),
        ]  # fmt: skip
        match rng.randrange(3):
            case 0:
                table = table.remove_column(place)
            case 1:
                table = table.set_column(place, name, rng.choice(other))
            case 2:
                about = mutate_value(about, rng)
        table = table.replace_schema_metadata({b"kaleido": json.dumps(about).encode()})
        import lancedb

        lancedb.connect(str(folder / "index")).create_table(PHOTOS, table, mode="overwrite")
        return read_index(folder, "")


def read_index(folder: Path, changed: str) -> None:
    from kaleido.errors import UserError
    from kaleido.search.index import Index

    index = Index.open(folder / "index")
    len(index), index.columns, json.dumps(dict(index.about))
    hits = index.nearest(np.ones(4, np.float32), "price < 3", 3)
    json.dumps([hit.fields for hit in hits], allow_nan=False)
    for hit in hits:
        assert np.isfinite(hit.score)
        index.get(hit.id), index.similar(hit.id, top=2), index.thumbnail(hit.photo)
    try:
        _ = index.model
    except UserError as error:
        assert "\n" not in str(error)
    else:
        raise AssertionError("there is no model")


def build_vectors(folder: Path) -> None:
    from kaleido.search.vector_file import NAMES, Header, write_vectors

    texts = {name: [f"{name}{n}" for n in range(5)] for name in NAMES}
    vectors = {"image": np.ones((5, 4), np.float32), "text": np.ones((5, 4), np.float32)}
    vectors["text"][0] = np.nan
    write_vectors(
        folder / "vectors.parquet", Header("0" * 64, "contrastive", ("image", "text"), "float16"), texts, vectors
    )


class VectorFile(Resealed):
    """A Parquet file of vectors whose bytes, columns or description are changed."""

    def __init__(self):
        super().__init__(build_vectors, read_vector_file, ["*.parquet"])

    def _changed(self, name, data, rng):
        import io

        import pyarrow as pa
        from pyarrow import parquet

        if rng.random() < 0.4:
            return mutate(data, rng, NUMBERS)
        table = parquet.read_table(io.BytesIO(data))
        about = json.loads(table.schema.metadata[b"kaleido"])
        place = rng.randrange(table.num_columns)
        other = [
            pa.array([1] * 5),
            pa.array([None] * 5, pa.string()),
            pa.array([[float("inf")] * 4] * 5),
            pa.array("abcde"),
        ]
        other.append(pa.FixedSizeListArray.from_arrays(pa.array(np.full(20, np.inf, np.float16)), 4))
        match rng.randrange(3):
            case 0:
                table = table.remove_column(place)
            case 1:
                table = table.set_column(place, table.column_names[place], rng.choice(other))
            case 2:
                about = mutate_value(about, rng)
        buffer = io.BytesIO()
        parquet.write_table(table.replace_schema_metadata({b"kaleido": json.dumps(about).encode()}), buffer)
        return buffer.getvalue()


def read_vector_file(folder: Path, changed: str) -> None:
    from kaleido.search.vectors import Vectors

    vectors = Vectors.open(folder / "vectors.parquet")
    str(vectors), len(vectors)
    assert all(isinstance(text, str) for text in (*vectors.ids, *vectors.stamps, *vectors.texts))


def build_checkpoint(folder: Path) -> None:
    from kaleido.app.checkpoints import Checkpoint, CheckpointStore

    state = {"data": "f", "window": [[1.0, 2.0]], "best": 0.5, "open": False}
    CheckpointStore(folder / "checkpoints", 2).save(Checkpoint(7, {"a": np.ones((2, 3), np.float32)}, state), True)


def read_checkpoint(folder: Path, changed: str) -> None:
    from kaleido.app.checkpoints import CheckpointStore

    store = CheckpointStore(folder / "checkpoints", 2)
    checkpoint, _ = store.load_latest()
    assert checkpoint.step == store.steps()[-1] and store.best() in (None, checkpoint.step)


GALLERY = SimpleNamespace(
    text_ids=["t0", "t1", "t2"],
    photo_ids=["p0", "p1", "p2"],
    text_of_photo=np.arange(3),
    records=SimpleNamespace(split="test"),
)


def build_lists(folder: Path) -> None:
    from kaleido.retrieval.candidate_files import gallery_identity

    lines = [
        {"direction": "i2t", "repeat": 0, "query": "p0", "candidates": ["t0", "t1"], "labels": [1, 0]},
        {"direction": "t2i", "query": "t1", "candidates": ["p1", "p2"], "labels": [1, 0]},
    ]
    header = {"format": "kaleido candidates 1", "settings": {"seed": 0}, "gallery": gallery_identity(GALLERY)}
    header |= {"notes": {"i2t": {"x": 1}}, "sha256": ""}
    (folder / "lists.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))


def read_candidates(folder: Path, changed: str) -> None:
    from kaleido.retrieval.candidate_files import read_lists

    for lists in read_lists(folder / "lists.jsonl", GALLERY, {"seed": 0}).values():
        assert lists.queries.min() >= 0 and lists.candidates.max() < 3 and lists.repeats.dtype.kind == "i"


def read_changed_catalog(folder: Path, changed: str) -> None:
    read_catalog(folder)


RESEALED: dict[str, Callable[[], Resealed]] = {
    "models": lambda: Resealed(build_models, read_models, ["config.json", "*.safetensors", "vocab.txt"], reseal),
    "networks": lambda: Resealed(build_networks, read_networks, ["config.json", "*.safetensors"], reseal),
    "sealed-records": lambda: Resealed(
        build_sealed_records,
        read_sealed_records,
        ["*.json", "*train*", "vocab.txt"],
        lambda folder: reseal_records(folder / "records"),
    ),
    "index": IndexFolder,
    "vectors": VectorFile,
    "checkpoint": lambda: Resealed(
        build_checkpoint,
        read_checkpoint,
        ["*.json", "*.safetensors"],
        lambda folder: reseal_state(folder / "checkpoints" / "step-00000007" / "state.json"),
    ),
    "candidate-lists": lambda: Resealed(
        build_lists, read_candidates, ["*.jsonl"], lambda folder: reseal_lists(folder / "lists.jsonl")
    ),
    "changed-catalog": lambda: Resealed(build_catalog, read_changed_catalog, ["catalog.json", "products.jsonl"]),
}
