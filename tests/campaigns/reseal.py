"""Mutations of what files mean, not of their bytes, with all checksums made right again.

Byte by byte a checksum would catch nearly every change, and what is behind it would never be tried.
"""

import hashlib
import io
import json
import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from kaleido.checksums import file_sha256, seal, unseal
from kaleido.network_folder import CARD_FILE, CONFIG_FILE
from kaleido.records.tfrecord import HEAD, TAIL, frame

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 5, 1000, 2**31, 2**63, 10**30, 1.5, -0.0, 1e-300, 1e300, math.nan, math.inf,
    "", " ", "x", "1", "../../../../etc/passwd", "/dev/zero", "/etc/passwd", "a/b", "..", "a\0b", "\x1b[31m",
    "é\u2028", "x" * 10_000,
    [], [1], [[]], ["x", "x"], [None], {}, {"x": 1}, {"": {}}, [0] * 1000, "train", "unet", "resnet50", "mlm", "itm",
    "http://127.0.0.1:9/model", "random", "none", "sentencepiece.model", "config.json", "model.safetensors",
]  # fmt: skip

PLACES = ["/dev/zero", "/etc/passwd", "pipe", "..", ".", "/nowhere"]
"""What a file is replaced by: a link there, or a pipe."""


def deep(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"x": value}
    return value


def mutate_value(value: Any, rng: random.Random) -> Any:
    """Changes one to three places of a JSON value."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _changed(value, rng)
    return value


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        match rng.randrange(8):
            case 0:
                return {name: part for name, part in value.items() if name != key}
            case 1:
                return {**value, rng.choice(["x", "", "../x", key + "s", key.upper()]): value[key]}
            case 2:
                other = rng.choice(list(value))
                return {**value, key: value[other]}
            case _:
                return {**value, key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        match rng.randrange(6):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return value[: place + 1] + value[place:]
            case 2:
                return value * rng.choice((0, 2, 50))
            case _:
                return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.6:
        return rng.choice((value + 1, value - 1, -value, value * 2, value * 1000, float(value), str(value), 0))
    if isinstance(value, str) and rng.random() < 0.3:
        place = rng.randrange(len(value) + 1)
        return value[:place] + rng.choice(["x", "\x1b", "/", "é", "\n", ""]) + value[place + rng.randrange(2) :]
    return deep(rng.choice((30, 150, 600))) if rng.random() < 0.05 else rng.choice(VALUES)


def mutate_arrays(arrays: dict[str, np.ndarray], rng: random.Random, dtypes: str) -> dict[str, np.ndarray]:
    """Changes one to three of some arrays: a value, type, shape, name, or whether they are there."""
    arrays = {name: np.array(array) for name, array in arrays.items()}
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(sorted(arrays))
        array = arrays[name]
        match rng.randrange(9):
            case 0 if len(arrays) > 1:
                del arrays[name]
            case 1:
                arrays[rng.choice(["x", name + "_", "a/b"])] = array
            case 2:
                arrays[name] = array.reshape(-1)[: rng.randrange(array.size + 1)]
            case 3:
                arrays[name] = np.zeros(rng.choice(((), (0,), (1, 1), (3,), (2, 2, 2))), array.dtype)
            case 4:
                with np.errstate(all="ignore"):
                    try:
                        arrays[name] = array.astype(rng.choice(dtypes.split()))
                    except ValueError:
                        arrays[name] = np.zeros(array.shape, np.float32)
            case 5:
                arrays[name] = np.concatenate([array.reshape(-1), array.reshape(-1)[:1]])
            case _ if array.size and array.dtype.kind in "fiu":
                flat = array.reshape(-1)
                values = [math.nan, math.inf, -math.inf, 1e38, 0.0, -1.0]
                if array.dtype.kind in "iu":
                    info = np.iinfo(array.dtype)
                    values = [info.min, info.max, 0, 1, -1 if info.min else 0, 54, 55, 100]
                flat[rng.randrange(flat.size)] = rng.choice(values)
            case _ if array.size and array.dtype.kind == "S":
                array.reshape(-1)[rng.randrange(array.size)] = rng.choice([b"\xff\xfe", b"", b"\x1b[1m"])
    return arrays


def mutate_file(name: str, data: bytes, rng: random.Random) -> bytes:
    """Changes the content of a file by what its name says that it is."""
    match Path(name).suffix:
        case ".json":
            return json.dumps(mutate_value(json.loads(data), rng)).encode()
        case ".jsonl":
            lines = data.splitlines()
            place = rng.randrange(len(lines))
            lines[place] = json.dumps(mutate_value(json.loads(lines[place]), rng)).encode()
            return b"\n".join(lines) + b"\n"
        case ".safetensors":
            return save(mutate_arrays(load(data), rng, "f2 f4 f8 i4 u1 ?"))
        case ".npz":
            with np.load(io.BytesIO(data)) as arrays:
                changed = mutate_arrays(dict(arrays), rng, "f4 i1 i2 i4 i8 u8 S4 U4 >i4 c8")
            buffer = io.BytesIO()
            rng.choice((np.savez, np.savez, np.savez_compressed))(buffer, **changed)
            return buffer.getvalue()
    if ".tfrecord" in name:
        return _mutate_records(data, rng)
    raise ValueError(name)


def _mutate_records(data: bytes, rng: random.Random) -> bytes:
    """Changes bytes of some records of a TFRecord file and makes their checksums right."""
    records = []
    while data:
        length = int.from_bytes(data[:8], "little")
        records.append(bytearray(data[HEAD : HEAD + length]))
        data = data[HEAD + length + TAIL :]
    record = rng.choice(records)
    for _ in range(rng.choice((1, 3, 20))):
        place = min(rng.randrange(len(record)), rng.choice((100, 400, 10**9)) % len(record))
        record[place] = rng.randrange(256)
    return b"".join(frame(bytes(record)) for record in records)


def reseal(folder: Path) -> None:
    """Makes the checksums of all network folders in a folder right, the innermost first."""
    for config in sorted(folder.rglob(CONFIG_FILE), key=lambda path: -len(path.parts)):
        try:
            content = json.loads(config.read_bytes())
            content.pop("checksum", None)
            files = [p for p in config.parent.rglob("*") if p.is_file() and p != config and p.name != CARD_FILE]
            for path in files:
                name = path.relative_to(config.parent).as_posix()
                # A checksum that the mutation took away stays away.
                if name in content["sha256"]:
                    content["sha256"][name] = file_sha256(path)
            config.write_bytes(seal(content))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue


def reseal_state(path: Path) -> None:
    """Makes the checksums of a checkpoint right."""
    try:
        content = json.loads(path.read_bytes())
        content.pop("checksum", None)
        if "sha256" in content:
            content["sha256"] = file_sha256(path.with_name("arrays.safetensors"))
        path.write_bytes(seal(content))
        unseal(path.read_bytes())
    except (OSError, ValueError, TypeError, AttributeError):
        return


def reseal_records(folder: Path) -> None:
    """Makes the checksum of the vocabulary of records right."""
    path = folder / "metadata.json"
    try:
        content = json.loads(path.read_bytes())
        content["vocabulary"]["sha256"] = file_sha256(folder / content["vocabulary"]["file"])
        path.write_text(json.dumps(content))
    except (OSError, ValueError, TypeError, KeyError):
        return


def reseal_lists(path: Path) -> None:
    """Makes the checksum of a file of candidate lists right."""
    first, _, body = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(first)
        header["sha256"] = hashlib.sha256(body).hexdigest()
        path.write_bytes(json.dumps(header).encode() + b"\n" + body)
    except (ValueError, TypeError):
        return


def put_place(path: Path, place: str) -> None:
    """Replaces a file by a link to somewhere else, or by a pipe."""
    path.unlink()
    if place == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(place)
