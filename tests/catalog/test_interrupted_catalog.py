import pytest

from kaleido.catalog import files as module
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.files import is_finished, write_catalog
from kaleido.catalog.product import Photo, Product
from kaleido.catalog.sources import FolderSource
from kaleido.errors import UserError
from kaleido.wardrobe import catalog as generate
from kaleido.wardrobe.catalog import generate_wardrobe

SMALL = {"products": 3, "seed": 3, "photo_size": 32, "workers": 1}


class Killed(BaseException):
    """Raised in place of a kill: no handler catches it."""


@pytest.fixture
def killed_at(monkeypatch):
    """Returns `killed_at(module, name)`, which raises `Killed` instead of writing the file of that name."""

    def arrange(module, name):
        write = module.write_atomically

        def dying(path, data, durable=True):
            if path.name == name:
                raise Killed
            write(path, data, durable)

        monkeypatch.setattr(module, "write_atomically", dying)
        return lambda: monkeypatch.setattr(module, "write_atomically", write)

    return arrange


def write(folder):
    (folder / "a.png").touch()
    product = Product(id="1", title="shirt", photos=(Photo("1-0", "photos/a.png"),))
    write_catalog(folder / "out", "shop", "folder", {"photos": FolderSource(folder)}, [product], {"from": "shop"})


def test_an_import_killed_before_its_last_step_may_be_done_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(module.Path, "replace", dying_replace(module.Path.replace))
        write(tmp_path)
    assert (tmp_path / "out" / "products.jsonl").exists()
    assert not is_finished(tmp_path / "out", {"from": "shop"})
    write(tmp_path)
    assert is_finished(tmp_path / "out", {"from": "shop"})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["catalog.json", "products.jsonl"]


def dying_replace(replace):
    def dying(self, target):
        if target.name == "catalog.json":
            raise Killed
        return replace(self, target)

    return dying


def test_products_of_somebody_else_are_not_overwritten(tmp_path):
    (tmp_path / "products.jsonl").write_text("{}")
    with pytest.raises(UserError, match="belongs to no finished catalogue"):
        is_finished(tmp_path, {})


def test_a_damaged_catalogue_can_be_replaced_as_its_error_says(tmp_path):
    write(tmp_path)
    (tmp_path / "out" / "catalog.json").write_text("{")
    with pytest.raises(UserError, match="import again with --overwrite"):
        is_finished(tmp_path / "out", {"from": "shop"})
    assert not is_finished(tmp_path / "out", {"from": "shop"}, overwrite=True)


def test_overwriting_cut_short_is_taken_up_by_the_same_command(tmp_path, killed_at):
    out = tmp_path / "w"
    generate_wardrobe(out, **SMALL | {"products": 5})
    revive = killed_at(generate, "0000000.jsonl")
    with pytest.raises(Killed):
        generate_wardrobe(out, **SMALL, overwrite=True)
    revive()
    with pytest.raises(UserError, match="no finished catalogue"):
        Catalog.open(out)
    assert generate_wardrobe(out, **SMALL, overwrite=True)
    catalog = Catalog.open(out)
    assert len(list((out / "photos").iterdir())) == catalog.photo_count
    assert not generate_wardrobe(out, **SMALL)


def test_a_wardrobe_drawn_in_another_way_is_not_taken_for_this_one(tmp_path, monkeypatch):
    generate_wardrobe(tmp_path / "w", **SMALL)
    monkeypatch.setattr(generate, "DRAWING", generate.DRAWING + 1)
    with pytest.raises(UserError, match="made with other arguments"):
        generate_wardrobe(tmp_path / "w", **SMALL)
