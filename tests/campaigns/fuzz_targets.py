"""What the fuzz campaign feeds: each target makes damaged inputs and reads them as a command would."""

import io
import json
import random
import re
import shutil
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from mutations import NUMBERS, mutate, mutate_lines
from PIL import Image

from kaleido.catalog.catalog import Catalog, write_catalog
from kaleido.catalog.fashion_gen import import_fashion_gen
from kaleido.catalog.fashion_small import import_fashion_small
from kaleido.catalog.folder import import_folder
from kaleido.catalog.imported import Imported
from kaleido.catalog.rejects import Rejects


class Target(ABC):
    """Something that reads what users give."""

    @abstractmethod
    def make(self, rng: random.Random) -> bytes:
        """One damaged input."""

    @abstractmethod
    def read(self, data: bytes, folder: Path) -> None:
        """Reads an input in an empty folder; a `UserError` says that it was refused."""


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (9, 7), **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


TABLE_TOKENS = [
    b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"../", b"/etc/passwd", b"|",
    b";", b"{", b"}", b"[", b"]", b"null", b"NaN", b"1e999", b"-1", b"\\u0000", b"\\ud800", b"true", b'"id"', b":", b"9" * 5000,
    b"x" * 200_000, b"[" * 5000, "é\u2028".encode(), b"train", b"a.png", b"images",
]  # fmt: skip


def check_nothing_is_lost(imported: Imported, rejects: Rejects, rows: dict[int, int]) -> None:
    """Every row is in the products or among the rejects, once.

    Args:
        imported: The products.
        rejects: The rows left out.
        rows: Photos of each row, by its number.
    """
    left_out = [reject.row for reject in rejects.rows]
    assert len(set(left_out)) == len(left_out), "a row was rejected twice"
    assert set(left_out) <= set(rows), "a row was rejected that there is not"
    expected = sum(count for row, count in rows.items() if row not in left_out)
    assert sum(len(product.photos) for product in imported.products) == expected, "a row was lost"


def open_again(imported: Imported, folder: Path) -> None:
    """Writes the catalogue, opens it and looks at every photo."""
    write_catalog(folder / "catalog", "fuzz", "folder", imported.sources, imported.products, {})
    catalog = Catalog.open(folder / "catalog")
    assert {product.id for product in catalog.products} == {product.id for product in imported.products}
    assert catalog.fingerprint
    for product in catalog.products:
        for photo in product.photos:
            catalog.read(photo.uri)


class Csv(Target):
    """A table beside a folder of photos."""

    table = b"id,title,description,split,photos,price\n" + b"".join(
        b'%d,Dress %d,"Long, of ""silk""",train,%s,9\n' % (n, n, (b"a.png", b"b.png")[n % 2]) for n in range(8)
    )

    def make(self, rng):
        return mutate_lines(self.table.replace(b'"', b"") if rng.random() < 0.5 else self.table, rng, TABLE_TOKENS)

    def read(self, data, folder):
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(b"x")
        (folder / "t.csv").write_bytes(data)
        rejects = Rejects("skip")
        imported = import_folder(folder, "t.csv", rejects, separators="")
        if b'"' not in data:  # else lines are not rows
            check_nothing_is_lost(imported, rejects, plain_rows(data))
        open_again(imported, folder)


def plain_rows(data: bytes) -> dict[int, int]:
    """The numbers of the rows of a table without quotes, of one photo each."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = enumerate(re.split("\r\n|\r|\n", text), start=1)
    filled = [number for number, line in lines if line.replace(",", "").strip()]
    first = next(number for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1) if line)
    return {number: 1 for number in filled if number > first}


class Jsonl(Target):
    """The same in JSON."""

    table = b"".join(
        b'{"id": "%d", "title": "Dress", "photos": ["a.png", "b.png"], "size": {"s": [1, null]}}\n' % n
        for n in range(6)
    )

    def make(self, rng):
        return mutate_lines(self.table, rng, TABLE_TOKENS)

    def read(self, data, folder):
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(b"x")
        (folder / "t.jsonl").write_bytes(data)
        rejects = Rejects("skip")
        imported = import_folder(folder, "t.jsonl", rejects, separators="")
        left_out = {reject.row for reject in rejects.rows}
        rows = {}
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
            if line.strip():
                photos = [] if number in left_out else json.loads(line)["photos"]
                rows[number] = len([path for path in photos if path.strip()]) if isinstance(photos, list) else 1
        check_nothing_is_lost(imported, rejects, rows)
        open_again(imported, folder)


class Zip(Target):
    """A zip with a table and photos."""

    names = ("a.png", "b.png", "../c.png", "/d.png", "images/", "e\\f.png", "é.png", "x" * 300)

    def make(self, rng):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            names = rng.sample(self.names, 4)
            rows = "".join(f"{n},Dress,{name}\n" for n, name in enumerate([*names, "a.png"]))
            file.writestr("t.csv", "id,title,photos\n" + rows)
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr = rng.choice((0, 0, 0o120777 << 16, 0o040755 << 16))
                info.compress_type = rng.choice((0, 8, 12, 14))
                file.writestr(info, b"x" * rng.choice((0, 9, 900)))
        return mutate(buffer.getvalue(), rng, [*NUMBERS, b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"\x09\0"])

    def read(self, data, folder):
        (folder / "s.zip").write_bytes(data)
        open_again(import_folder(folder / "s.zip", "t.csv", Rejects("skip")), folder)


class FashionSmall(Target):
    """Its folder, whose names of products have commas without quotes."""

    table = b"id,gender,masterCategory,subCategory,productDisplayName\n" + b"".join(
        b"%d,Men,Apparel,Topwear,Shirt, blue, %d\n" % (n, n) for n in range(6)
    )

    def make(self, rng):
        return mutate_lines(self.table, rng, TABLE_TOKENS)

    def read(self, data, folder):
        (folder / "images").mkdir()
        for number in range(6):
            (folder / "images" / f"{number}.jpg").write_bytes(b"x")
        (folder / "styles.csv").write_bytes(data)
        rejects = Rejects("skip")
        imported = import_fashion_small({"": folder}, rejects)
        if b'"' not in data:
            check_nothing_is_lost(imported, rejects, plain_rows(data))
        open_again(imported, folder)


class FashionGen(Target):
    """Its HDF5 file."""

    columns = ("productID", "name", "description", "category", "subcategory", "pose", "brand")

    def make(self, rng):
        import h5py

        rows = 5
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["input_image"] = np.zeros((rows, 6, 5, 3), np.uint8)
            for name in self.columns:
                file[f"input_{name}"] = np.array([f"{n % 3}".encode() for n in range(rows)], "S9")[:, None]
            if rng.random() < 0.5:
                name = f"input_{rng.choice(['image', *self.columns])}"
                del file[name]
                shape = rng.choice(
                    ((), (0,), (rows,), (rows, 1), (rows, 2), (rows - 1, 1), (rows, 6, 5, 3), (rows, 2, 2, 3))
                )
                dtype = rng.choice(("u1", "i4", "f4", "S3", "S1", "c8", "?", "V4", h5py.string_dtype(), h5py.ref_dtype))
                file.create_dataset(name, shape, dtype)
        data = buffer.getvalue()
        return mutate(data, rng) if rng.random() < 0.7 else data

    def read(self, data, folder):
        (folder / "train.h5").write_bytes(data)
        rejects = Rejects("skip")
        with redirect_stderr(io.StringIO()):
            imported = import_fashion_gen({"train": folder / "train.h5"}, rejects)
        rows = {row: 1 for row in range(len(imported.sources["train"].column("input_image")))}
        check_nothing_is_lost(imported, rejects, rows)
        open_again(imported, folder)


class Photo(Target):
    """A picture of any kind."""

    def __init__(self, *kinds: str):
        self._kinds = kinds

    @cached_property
    def pictures(self) -> list[bytes]:
        modes = {"JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "P", "LA", "I;16", "1"), "GIF": ("P",)}
        modes |= {"TIFF": ("RGB", "CMYK", "I;16", "F", "1"), "PPM": ("RGB", "L")}
        pictures = []
        for kind in self._kinds:
            for mode in modes.get(kind, ("RGB",)):
                mode_from = "I" if mode == "I;16" else mode
                buffer = io.BytesIO()
                image = Image.open(io.BytesIO(picture("PNG", size=(40, 30))))
                image.convert("L").convert(mode_from).convert(mode).save(buffer, kind)
                pictures.append(buffer.getvalue())
        if "JPEG" in self._kinds:
            exif = Image.Exif()
            exif[0x0112] = 6
            pictures += [picture("JPEG", size=(40, 30), exif=exif, progressive=True)]
        if "GIF" in self._kinds:
            pictures += [picture("GIF", "P", save_all=True, append_images=[Image.new("RGB", (9, 7))])]
        if "TIFF" in self._kinds:
            compressions = ("tiff_lzw", "jpeg", "packbits", "tiff_deflate")
            pictures += [picture("TIFF", compression=compression) for compression in compressions]
        return pictures

    def make(self, rng):
        return mutate(rng.choice(self.pictures), rng)

    def read(self, data, folder):
        from kaleido.vision.photo import MAX_PIXELS, MIN_SIDE, decode

        pixels = decode(data)
        height, width, channels = pixels.shape
        assert (
            pixels.dtype == np.uint8
            and channels == 3
            and min(height, width) >= MIN_SIDE
            and height * width <= MAX_PIXELS
        )


CONFIG_TOKENS = [
    b"null", b"true", b"-1", b"0", b"1e-4", b".nan", b".inf", b"9" * 30, b"0x" + b"f" * 40, b"[1, 2]", b"{a: 1}", b"&a ", b"*a", b"<<: ",
    b"!!python/object:os.system ", b"!!binary ", b"? ", b"- ", b"---\n", b"\t", b"'", b'"', b"|\n", b">\n", b"\0", b"2020-99-99", b"1:30:99",
    b"records: x\n", b"seed: ", b"train_config:", b"steps: ", b"\xff", b"\\ud800", b"%YAML 1.1\n", b"[" * 2000, b"{a: " * 2000, b"=", b"~", b"!",
]  # fmt: skip


class Config(Target):
    """A YAML file or dotted options."""

    def __init__(self, as_file: bool):
        self._as_file = as_file

    @cached_property
    def _kinds(self) -> list[tuple[type, bytes]]:
        import yaml

        from kaleido import configuration
        from kaleido.app.config import PretrainConfig
        from kaleido.commands.prepare import PrepareRun

        configs = PretrainConfig("records", "output"), PrepareRun("catalog", "records")
        if self._as_file:
            texts = [yaml.safe_dump(configuration.to_dict(config), sort_keys=False) for config in configs]
        else:
            texts = [
                "".join(
                    f"--{key}={value}\n" for key, value in configuration.flatten(config).items() if value is not None
                )
                for config in configs
            ]
        return [(type(config), text.encode()) for config, text in zip(configs, texts)]

    def make(self, rng):
        number = rng.randrange(2)
        first, second, *others = self._kinds[number][1].splitlines(keepends=True)
        # The two that are required, and a few of many options; a file is taken whole.
        chosen = others if self._as_file else rng.sample(others, 4)
        return b"%d" % number + mutate_lines(b"".join([first, second, *chosen]), rng, CONFIG_TOKENS)

    def read(self, data, folder):
        from kaleido import configuration

        kind = self._kinds[int(data[:1])][0]
        if self._as_file:
            (folder / "c.yaml").write_bytes(data[1:])
            config = configuration.parse(kind, ["--config", str(folder / "c.yaml")], "fuzz", "")
        else:
            options = data[1:].decode("utf-8", "surrogateescape").split("\n")
            config = configuration.parse(kind, [option for option in options if option and option not in HELP], "fuzz", "")
        configuration.save(config, folder / "saved.yaml")
        assert configuration.load(kind, folder / "saved.yaml") == config


HELP = ("-h", "--help", "--print_config")

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
    imported = import_folder(folder / "source", "t.csv", Rejects())
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
    from kaleido.records.synthetic import write_synthetic

    write_synthetic(folder / "records", 8, {"train": 12}, vocabulary_size=100, longest_text=9, shard_photos=6)


def read_records(folder: Path) -> None:
    from kaleido.records.reader import Records

    records = Records.open(folder / "records", "train")
    every = np.arange(len(records))
    vectors, positions = records.read(every)
    assert vectors.shape == (len(records), 74, records.feature_size) and positions.shape == (len(records), 55, 5)
    records.index.texts(every, 16)
    for index in every:
        records.index.pairs(index)


def build_tokenizer(folder: Path) -> None:
    from kaleido.text import SentencePieceTokenizer

    SentencePieceTokenizer.train((f"red shirt blue jeans {n}" for n in range(100)), 120).save(folder)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "##a", "##b", "é"]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")


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
    from kaleido.app.model_directory import save_model
    from kaleido.text import WordPieceTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmno"]
    save_model(folder / "model", tiny_model(), WordPieceTokenizer(pieces), {"categories": ["a"]})


def read_model(folder: Path) -> None:
    from kaleido.app.model_directory import load_model

    load_model(folder / "model")


def build_bert(folder: Path) -> None:
    from safetensors.numpy import save_file

    from kaleido.weights.bert import _tables

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
        from kaleido.weights.bert import load_bert

        super().__init__(build_bert, lambda folder: load_bert(self._model, folder), ["*.safetensors"])


def build_checkpoint(folder: Path) -> None:
    """A checkpoint in PyTorch's old layout, opcode by opcode."""

    def text(value: str) -> bytes:
        return b"X" + len(value).to_bytes(4, "little") + value.encode()

    def integer(value: int) -> bytes:
        return b"K" + bytes([value])

    def tensor(offset: int) -> bytes:
        storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("1") + text("cpu") + integer(6) + b"NtQ"
        geometry = storage + integer(offset) + integer(2) + integer(3) + b"\x86" + integer(3) + integer(1) + b"\x86\x89"
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + geometry + b"ccollections\nOrderedDict\n)RtR"

    magic = b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
    content = b"\x80\x02}(" + text("a") + tensor(0) + text("b") + tensor(0) + b"u."
    parts = [b"\x80\x02" + magic, b"\x80\x02M\xe9\x03.", b"\x80\x02}.", content, b"\x80\x02]" + text("1") + b"a."]
    data = b"".join(parts) + (6).to_bytes(8, "little") + np.arange(6, dtype="<f4").tobytes()
    (folder / "weights.pth").write_bytes(data)


def read_checkpoint(folder: Path) -> None:
    from kaleido.vision.backbones.torch_pickle import load_tensors

    load_tensors(folder / "weights.pth")


TARGETS: dict[str, Callable[[], Target]] = {
    "csv": Csv,
    "jsonl": Jsonl,
    "zip": Zip,
    "fashion-small": FashionSmall,
    "fashion-gen": FashionGen,
    "photo-jpeg": partial(Photo, "JPEG"),
    "photo-png": partial(Photo, "PNG"),
    "photo-webp": partial(Photo, "WEBP"),
    "photo-gif-bmp-ppm": partial(Photo, "GIF", "BMP", "PPM"),
    "photo-tiff": partial(Photo, "TIFF"),
    "photo-avif-jp2": partial(Photo, "AVIF", "JPEG2000"),
    "config-file": partial(Config, True),
    "config-options": partial(Config, False),
    "catalog": partial(Files, build_catalog, read_catalog, ["*.json", "*.jsonl"]),
    "records": partial(Files, build_records, read_records, ["*.json", "*.npz", "*array_record*"]),
    "sentencepiece": partial(Files, build_tokenizer, partial(read_tokenizer, "sentencepiece.model"), ["*.model"]),
    "wordpiece": partial(Files, build_tokenizer, partial(read_tokenizer, "vocab.txt"), ["*.txt"]),
    "torch-weights": partial(Files, build_checkpoint, read_checkpoint, ["*.pth"]),
    "bert-weights": Bert,
    "saved-model": partial(Files, build_model, read_model, ["model/config.json", "model/*.h5"]),
}
