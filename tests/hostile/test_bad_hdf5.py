"""HDF5 files that are not what Fashion-Gen publishes."""

import re

import h5py
import numpy as np
import pytest

COLUMNS = ("name", "description", "category", "subcategory", "pose")
ROWS = 4


@pytest.fixture
def fashion_gen(tmp_path):
    """`fashion_gen(**columns)`: a file with some columns replaced, or left out where None."""

    def make(**changes):
        columns = {name: np.full((ROWS, 1), b"text", "S20") for name in COLUMNS}
        columns |= {"productID": np.arange(ROWS)[:, None], "image": np.zeros((ROWS, 8, 6, 3), np.uint8), **changes}
        path = tmp_path / "train.h5"
        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                if isinstance(values, h5py.Group | h5py.SoftLink | h5py.ExternalLink | np.ndarray):
                    file[f"input_{name}"] = values
                elif values is not None:
                    values(file, f"input_{name}")
        return path

    return make


def virtual(file, name):
    layout = h5py.VirtualLayout((ROWS, 8, 6, 3), np.uint8)
    layout[:] = h5py.VirtualSource("/etc/hostname", "data", (ROWS, 8, 6, 3), np.uint8)
    file.create_virtual_dataset(name, layout)


def external(file, name):
    file.create_dataset(name, (ROWS, 8, 6, 3), np.uint8, external=[("/etc/hostname", 0, ROWS * 144)])


def empty_claim(shape):
    return lambda file, name: file.create_dataset(name, shape, np.uint8, chunks=(1, 8, 8, 3))


WRONG = {
    "image missing": ({"image": None}, "has no column 'input_image'"),
    "name missing": ({"name": None}, "has no column 'input_name'"),
    "image a group": ({"image": lambda file, name: file.create_group(name)}, "has no column 'input_image'"),
    "image grey": ({"image": np.zeros((ROWS, 8, 6), np.uint8)}, r"must be uint8 \[N, H, W, 3\]"),
    "image float": ({"image": np.zeros((ROWS, 8, 6, 3))}, "Received: float64"),
    "image turned": ({"image": np.zeros((ROWS, 3, 8, 6), np.uint8)}, r"Received: uint8 \[4, 3, 8, 6\]"),
    "image huge": ({"image": empty_claim((ROWS, 100_000, 100_000, 3))}, "claims to be larger"),
    "rows without end": ({"image": empty_claim((10**12, 8, 8, 3))}, "claims to be larger"),
    "image outside": ({"image": h5py.ExternalLink("/etc/hostname", "data")}, "link to data elsewhere"),
    "image virtual": ({"image": virtual}, "link to data elsewhere"),
    "image in a raw file": ({"image": external}, "link to data elsewhere"),
    "name outside": ({"name": h5py.ExternalLink("/etc/hostname", "data")}, "link to data elsewhere"),
    "name a soft link": ({"name": h5py.SoftLink("/input_pose")}, "link to data elsewhere"),
    "name short": ({"name": np.full((1, 1), b"x", "S9")}, r"single values as .* rows, 4; .*Received: \[1, 1\]"),
    "name wide": ({"name": np.full((ROWS, 3), b"x", "S9")}, r"Received: \[4, 3\]"),
    "name a scalar": ({"name": np.array(b"x")}, r"Received: \[\]"),
    "name of floats": ({"name": np.zeros((ROWS, 1))}, "must hold texts or whole numbers. Received: float64"),
    "name of records": ({"name": np.zeros(ROWS, [("a", "i4"), ("b", "i4")])}, "must hold texts"),
}


@pytest.mark.parametrize(("changes", "reason"), WRONG.values(), ids=WRONG)
def test_a_file_of_another_layout(changes, reason, fashion_gen, refused, tmp_path):
    path = fashion_gen(**changes)
    for mode in ("stop", "skip"):
        words = ("catalog", "import", "fashion-gen", "--train", path, "--out", tmp_path / "out", "--on-error", mode)
        line = refused(*words)
        assert str(path) in line and re.search(reason, line)


BAD_ROWS = {
    "no text": ({"name": [b"x", b"", b"x", b"x"], "description": [b""] * ROWS}, "neither input_name nor"),
    "no id": ({"productID": [b"1", b"", b"2", b"3"]}, "input_productID is empty"),
}


@pytest.mark.parametrize(("columns", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row(columns, reason, fashion_gen, import_source):
    path = fashion_gen(**{name: np.array(values, "S9") for name, values in columns.items()})
    line, rejects = import_source(path, kind="fashion-gen")
    assert f"{path}, row 1: " in line and reason in line
    assert [reject["row"] for reject in rejects] == [1]


def test_numbers_and_texts_of_any_kind_are_read(fashion_gen, run, tmp_path):
    texts = np.array(["é", "b", "c", "d"], h5py.string_dtype())
    path = fashion_gen(name=texts, category=np.arange(ROWS), pose=np.full(ROWS, b"\xe9", "S1"))
    assert run("catalog", "import", "fashion-gen", "--train", path, "--out", tmp_path / "out")[0] == 0


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9])
def test_a_file_cut_short(share, fashion_gen, refused, tmp_path):
    path = fashion_gen()
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    line = refused("catalog", "import", "fashion-gen", "--train", path, "--out", tmp_path / "out")
    assert f"{path} is not an HDF5 file, or is incomplete; fetch or copy it again" in line
