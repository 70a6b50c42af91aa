"""What the fuzz campaign feeds: each target makes damaged inputs and reads them as a command would."""

import io
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
from fuzz_files import (
    Bert,
    Files,
    build_backbone,
    build_catalog,
    build_model,
    build_records,
    build_tokenizer,
    read_backbone,
    read_catalog,
    read_model,
    read_records,
    read_tokenizer,
)
from fuzz_imports import Csv, FashionGen, FashionSmall, Jsonl, Target, Zip
from fuzz_resealed import RESEALED
from mutations import mutate, mutate_lines
from PIL import Image


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (9, 7), **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


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
        from kaleido.pictures import MAX_MEGAPIXELS, MIN_SIDE
        from kaleido.vision.photo import decode

        pixels = decode(data)
        height, width, channels = pixels.shape
        assert (
            pixels.dtype == np.uint8
            and channels == 3
            and min(height, width) >= MIN_SIDE
            and height * width <= MAX_MEGAPIXELS * 1e6
        )


CONFIG_TOKENS = [
    b"null", b"true", b"-1", b"0", b"1e-4", b".nan", b".inf", b"9" * 30, b"0x" + b"f" * 40,
    b"[1, 2]", b"{a: 1}", b"&a ", b"*a", b"<<: ",
    b"!!python/object:os.system ", b"!!binary ", b"? ", b"- ", b"---\n", b"\t", b"'", b'"', b"|\n",
    b">\n", b"\0", b"2020-99-99", b"1:30:99",
    b"records: x\n", b"seed: ", b"train_config:", b"steps: ", b"\xff", b"\\ud800", b"%YAML 1.1\n",
    b"[" * 2000, b"{a: " * 2000, b"=", b"~", b"!",
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

        configs = PretrainConfig("records", "out"), PrepareRun("catalog", "records")
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
            config = configuration.parse(kind, ["--config", str(folder / "c.yaml")])
        else:
            options = data[1:].decode("utf-8", "surrogateescape").split("\n")
            config = configuration.parse(kind, [option for option in options if option and option not in PRINTED])
        configuration.save(config, folder / "saved.yaml")
        assert configuration.load(kind, folder / "saved.yaml") == config


PRINTED = ("-h", "--help", "--print-config")

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
    "records": partial(Files, build_records, read_records, ["*.json", "*.npz", "*tfrecord*"]),
    "sentencepiece": partial(Files, build_tokenizer, partial(read_tokenizer, "sentencepiece.model"), ["*.model"]),
    "wordpiece": partial(Files, build_tokenizer, partial(read_tokenizer, "vocab.txt"), ["*.txt"]),
    "backbone-weights": partial(Files, build_backbone, read_backbone, ["*.safetensors"]),
    "bert-weights": Bert,
    "saved-model": partial(Files, build_model, read_model, ["model/config.json", "model/*.safetensors"]),
    **RESEALED,
}
