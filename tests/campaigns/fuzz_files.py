"""Folders that kaleido wrote or loads, in which one file is damaged."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from fuzz_imports import TABLE_TOKENS, UNCHECKED, Target
from mutations import NUMBERS, mutate, mutate_lines

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.files import write_catalog
from kaleido.catalog.folder import import_folder
from kaleido.catalog.rejects import Rejects

JSON_TOKENS = [*TABLE_TOKENS, b'"photos"', b"[]", b"{}", b'""', b"0", b"-1", b"1.5", b"null", b'"uri"', b'"box"']


class Files(Target):
    """A folder in which one file is damaged.

    Args:
        build: Fills the folder that is then damaged.
        read: Reads it.
        patterns: The files that may be damaged.
    """

    def __init__(self, build: Callable[[Path], None], read: Callable[[Path], None], patterns: Sequence[str]):
        self._build, self._read, self._patterns = build, read, patterns

    @cached_property
    def _sound(self) -> dict[str, bytes]:
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            self._build(folder)
            return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        finally:
            shutil.rmtree(folder)

    def make(self, rng):
        name = rng.choice([name for name in sorted(self._sound) if any(Path(name).match(p) for p in self._patterns)])
        text = name.endswith((".json", ".jsonl", ".txt"))
        damage = mutate_lines if text else mutate
        return name.encode() + b"\n" + damage(self._sound[name], rng, JSON_TOKENS if text else NUMBERS)

    def read(self, data, folder):
        damaged, _, content = data.partition(b"\n")
        for name, sound in self._sound.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if name == damaged.decode() else sound)
        self._read(folder)


def build_catalog(folder: Path) -> None:
    (folder / "source").mkdir()
    (folder / "source" / "a.png").write_bytes(b"x")
    rows = "".join(f"{n},Dress,Long,train,a.png,9\n" for n in range(5))
    (folder / "source" / "t.csv").write_text("id,title,description,split,photos,price\n" + rows)
    imported = import_folder(folder / "source", "t.csv", Rejects(), photo_options=UNCHECKED)
    (folder / "source").rename(folder / "inside")
    for source in imported.sources.values():
        source.path = folder / "inside"
    write_catalog(folder, "fuzz", "folder", imported.sources, imported.products, {"a": 1})


def read_catalog(folder: Path) -> None:
    catalog = Catalog.open(folder)
    assert catalog.fingerprint and catalog.photo_count
    for product in catalog.products:
        assert isinstance(product.text, str)
        for photo in product.photos:
            catalog.read(photo.uri)


def build_records(folder: Path) -> None:
    from kaleido.bench.synthetic import write_synthetic

    write_synthetic(folder / "records", 8, {"train": 12}, vocabulary_size=100, longest_text=9, shard_photos=6)


def read_records(folder: Path) -> None:
    from kaleido.records.reader import PhotoRecords

    records = PhotoRecords.open(folder / "records", "train")
    every = np.arange(len(records))
    vectors, positions = records.read(every)
    assert vectors.shape == (len(records), 74, records.feature_size) and positions.shape == (len(records), 55, 5)
    records.index.texts(every, 16)
    for index in every:
        records.index.pairs(index)


def build_tokenizer(folder: Path) -> None:
    from kaleido.text import SentencePieceTokenizer

    SentencePieceTokenizer.train((f"red shirt blue jeans {n}" for n in range(100)), 120).save(folder)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "##a", "##b", "é"]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")


def read_tokenizer(name: str, folder: Path) -> None:
    from kaleido.text import load_tokenizer

    tokenizer = load_tokenizer(folder / name)
    for text in ("", "red shirts", "é\0\u2028", "日本語", "a" * 3000):
        encoding = tokenizer.encode(text)
        assert len(encoding.ids) == len(encoding.word_ids)
        assert not encoding.ids.size or 0 <= encoding.ids.min() <= encoding.ids.max() < tokenizer.vocab_size
        tokenizer.decode(encoding.ids)


def tiny_model():
    from kaleido.model.config import ModelConfig
    from kaleido.model.kaleido_bert import KaleidoBert

    sizes = {"num_layers": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8}
    return KaleidoBert(ModelConfig(vocab_size=20, feature_size=8, max_position_embeddings=16, **sizes), ["mlm", "itm"])


def build_model(folder: Path) -> None:
    from kaleido.app.model_folder import save_model
    from kaleido.text import WordPieceTokenizer

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmno"]
    save_model(folder / "model", tiny_model(), "pretraining", WordPieceTokenizer(tokens))


def read_model(folder: Path) -> None:
    from kaleido.app.model_folder import load_model

    load_model(folder / "model")


def build_bert(folder: Path) -> None:
    from safetensors.numpy import save_file

    from kaleido.model.bert import _tables

    required, optional = _tables(tiny_model())
    save_file(
        {
            name: np.ascontiguousarray(np.asarray(variable).T if transposed else np.asarray(variable))
            for name, (variable, transposed) in {**required, **optional}.items()
        },
        folder / "model.safetensors",
    )


class Bert(Files):
    @cached_property
    def _model(self):
        return tiny_model()

    def __init__(self):
        from kaleido.model.bert import load_bert

        super().__init__(build_bert, lambda folder: load_bert(self._model, folder), ["*.safetensors"])


def build_backbone(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"kernel": np.zeros((2, 3), np.float32), "bias": np.ones(3, np.float32)}, folder / "weights.safetensors")


def read_backbone(folder: Path) -> None:
    import keras

    from kaleido.network_folder import load_weights

    arrays = {"kernel": np.zeros((2, 3), np.float32), "bias": np.zeros(3, np.float32)}
    load_weights(folder / "weights.safetensors", [keras.Variable(value, name=name) for name, value in arrays.items()])
