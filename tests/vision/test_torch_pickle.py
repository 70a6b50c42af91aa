"""The reader of PyTorch's old layout admits tensors and nothing else."""

import collections
import io
import os
import pickle
import sys
import types

import numpy as np
import pytest

from kaleido.errors import UserError
from kaleido.vision.backbones.torch_pickle import MAGIC_NUMBER, PROTOCOL_VERSION, load_tensors


class Tensor:
    """Pickled as PyTorch pickles a tensor."""

    def __init__(self, key: str, offset: int, shape: tuple, strides: tuple):
        self.geometry = key, offset, shape, strides

    def __reduce__(self):
        key, offset, shape, strides = self.geometry
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (Storage(key), offset, shape, strides, False, collections.OrderedDict())


class Storage:
    def __init__(self, key: str):
        self.key = key


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return "storage", sys.modules["torch"].FloatStorage, value.key, "cpu", 6, None
        return None


@pytest.fixture
def torch_names(monkeypatch):
    """Just the names that a checkpoint refers to."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild():
        pass

    rebuild.__name__ = rebuild.__qualname__ = "_rebuild_tensor_v2"
    rebuild.__module__ = "torch._utils"
    utils._rebuild_tensor_v2 = rebuild
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    torch._utils = utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def checkpoint(content, storages: dict[str, np.ndarray], magic: int = MAGIC_NUMBER) -> bytes:
    file = io.BytesIO()
    for part in (magic, PROTOCOL_VERSION, {"little_endian": True}, content, list(storages)):
        Pickler(file, protocol=2).dump(part)
    for elements in storages.values():
        file.write(len(elements).to_bytes(8, "little") + elements.astype("<f4").tobytes())
    return file.getvalue()


@pytest.fixture
def written(tmp_path):
    def write(data: bytes):
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        return path

    return write


def test_tensors_with_offset_and_strides(torch_names, written):
    elements = np.arange(6.0)
    content = collections.OrderedDict(
        whole=Tensor("1", 0, (2, 3), (3, 1)),
        transposed=Tensor("1", 0, (3, 2), (1, 3)),
        tail=Tensor("1", 4, (2,), (1,)),
        scalar=Tensor("1", 5, (), ()),
    )
    tensors = load_tensors(written(checkpoint(content, {"1": elements})))
    assert list(tensors) == list(content)
    np.testing.assert_array_equal(tensors["whole"], elements.reshape(2, 3))
    np.testing.assert_array_equal(tensors["transposed"], elements.reshape(2, 3).T)
    np.testing.assert_array_equal(tensors["tail"], [4, 5])
    assert tensors["scalar"] == 5
    assert all(tensor.dtype == np.float32 for tensor in tensors.values())


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("place", ["content", "header"])
def test_anything_else_is_refused_and_not_run(place, torch_names, written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = checkpoint({"weight": Malicious()}, {}) if place == "content" else pickle.dumps(Malicious(), protocol=2)
    with pytest.raises(UserError, match=r"asks for (posix|nt)\.mkdir"):
        load_tensors(written(evil))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["eval", "getattr", "__import__"])
def test_builtins_are_refused(name, written):
    with pytest.raises(UserError, match=f"builtins.{name}"):
        load_tensors(written(b"cbuiltins\n" + name.encode() + b"\n."))


@pytest.mark.parametrize(
    ("shape", "strides", "offset"), [((7,), (1,), 0), ((2, 3), (4, 1), 0), ((3,), (1,), 4), ((2,), (-1,), 3)]
)
def test_a_tensor_must_stay_within_its_storage(shape, strides, offset, torch_names, written):
    content = collections.OrderedDict(weight=Tensor("1", offset, shape, strides))
    with pytest.raises(UserError, match=r"beyond its storage|negative"):
        load_tensors(written(checkpoint(content, {"1": np.arange(6)})))


def test_damaged_and_foreign_files(torch_names, written, tmp_path):
    data = checkpoint(collections.OrderedDict(weight=Tensor("1", 0, (6,), (1,))), {"1": np.arange(6)})
    for broken in (data[:-1], data[:60], b"", b"PK\x03\x04zip", checkpoint({}, {}, magic=1)):
        with pytest.raises(UserError, match="not a dict of tensors") as error:
            load_tensors(written(broken))
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="No such file"):
        load_tensors(tmp_path / "absent.pth")
