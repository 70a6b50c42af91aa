"""Alignment on a small wardrobe, and what becomes of unusual texts."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from clusters import Sequential
from compiling import functions

from kaleido.__main__ import main
from kaleido.alignment.align import Job, align, align_records
from kaleido.alignment.aligner import Aligner
from kaleido.alignment.config import AlignConfig
from kaleido.alignment.explanation import explain
from kaleido.alignment.product_maps import ProductMaps
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.records.folder import Records
from kaleido.records.place import ALIGNER
from kaleido.records.reader import PhotoRecords
from kaleido.text import SentencePieceTokenizer
from kaleido.vision.product import CELLS
from kaleido.vision.saliency import BorderSaliency

QUICK = AlignConfig(steps=1, batch_size=6, hidden_size=16, max_text_length=16)

pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture(scope="module")
def wardrobe(tmp_path_factory):
    directory = tmp_path_factory.mktemp("aligned") / "wardrobe"
    assert main(["catalog", "generate", "--products", "14", "--photo-size", "48", "--out", str(directory)]) == 0
    prepare = [
        "prepare",
        f"--catalog={directory}",
        f"--out={directory}/records",
        "--prepare_config.backbone=random",
    ]
    settings = {"saliency": "border", "vocabulary_size": 150, "validation_fraction": 0.2, "test_fraction": 0}
    assert main([*prepare, *(f"--prepare_config.{key}={value}" for key, value in settings.items())]) == 0
    return directory


@pytest.fixture
def records(wardrobe, tmp_path):
    shutil.copytree(wardrobe, tmp_path / "wardrobe")
    return tmp_path / "wardrobe" / "records"


def test_pairs_get_into_the_records_and_stay_the_same(records):
    before = PhotoRecords.open(records, "train")
    assert not len(before.index.pair_words)
    found = align(records, config=QUICK)
    index = found.records["train"].index
    assert found.photos == sum(map(len, found.records.values())) and len(index.pair_words)
    assert (index.pair_patches >= 5).all() and (index.pair_patches < 55).all()
    for row in range(len(index)):
        words = index.word_ids[index.token_offsets[row] : index.token_offsets[row + 1]]
        assert np.isin(index.pairs(row).word, words).all()
    np.testing.assert_array_equal(found.records["train"].example(0)["pairs"]["word"], index.pairs(0).word)
    assert found.records["train"].fingerprint != before.fingerprint
    assert align(records, config=QUICK).photos == 0
    with pytest.raises(UserError, match="pairs that were made otherwise; replace them with --overwrite true"):
        align(records, config=QUICK, seed=1)
    again = align(records, config=QUICK, steps=2, overwrite=True)
    assert again.photos == found.photos
    same = align(records, config=QUICK, overwrite=True).records["train"].index
    np.testing.assert_array_equal(same.pair_patches, index.pair_patches)
    np.testing.assert_allclose(same.pair_scores, index.pair_scores)


def test_the_tasks_of_a_cluster_give_the_bytes_of_one_process(records, wardrobe, tmp_path, monkeypatch):
    """The photos beyond those that the captioner learns from are aligned in tasks, of one batch each here."""
    monkeypatch.setattr("kaleido.alignment.align.TASK_BATCHES", 1)
    monkeypatch.setattr(ProductMaps, "BATCH", 4)
    shutil.copytree(wardrobe, tmp_path / "divided")
    divided = tmp_path / "divided" / "records"
    config = replace(QUICK, photos=8)
    align_records(Records(records), None, config)
    found = align_records(Records(divided), None, config, cluster=Sequential())
    assert found.photos > 8 + 4
    assert len(found.records["train"].index.pair_words)
    for file in records.iterdir():
        if file.is_file():
            assert (divided / file.name).read_bytes() == file.read_bytes(), file.name


def test_a_node_with_another_aligner_is_told(wardrobe):
    with pytest.raises(UserError, match="not the aligner that the command has saved; the records must be on a disk"):
        Job(wardrobe / "records", {}, "train").aligner  # noqa: B018


def test_the_commands_and_their_errors(records, tmp_path, capsys):
    explain = ["explain", "wardrobe-000003", f"--records={records}", f"--out={tmp_path / 'out'}"]
    assert main(explain) == 0
    page = (tmp_path / "out" / "wardrobe-000003-0.html").read_text(encoding="utf-8")
    assert "kaleido align" in page
    quick = [f"--align_config.{key}={getattr(QUICK, key)}" for key in ("steps", "batch_size", "hidden_size")]
    assert main(["align", f"--records={records}", *quick]) == 0
    shown = capsys.readouterr().out
    assert "words name parts with known places: recall" in shown and "random patches" in shown
    figures = json.loads((records / "alignment.json").read_text())
    assert 0 <= figures["splits"]["validation"]["parts"]["recall"] <= 1
    assert main(["align", f"--records={records}", *quick]) == 0
    assert "were there already" in capsys.readouterr().out
    assert main(explain) == 0
    page = (tmp_path / "out" / "wardrobe-000003-0.html").read_text(encoding="utf-8")
    assert "kaleido align" not in page and "<mark>" in page
    assert (tmp_path / "out" / "wardrobe-000003-0.png").stat().st_size > 50_000
    for command, message in (
        (["explain", "nobody", f"--records={records}"], "no product of that id, for example wardrobe-"),
        (["explain", f"--records={records}"], "product"),
        (["align", "--records=nowhere"], "nowhere"),
        (["align", f"--records={records}", "--align_config.word_share=2"], "word_share"),
        (["align", f"--records={records}", "--align_config.heat=warmth"], "heat"),
    ):
        assert main(command) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and "\n" not in error, error
    (records / ALIGNER / "model.safetensors").write_bytes(b"other")
    assert main(["align", f"--records={records}", *quick]) == 2
    assert "model.safetensors: damaged: its content does not match its checksum" in capsys.readouterr().err


def test_prepared_again_nothing_is_lost(records, capsys):
    align(records, config=QUICK)
    pairs = PhotoRecords.open(records, "train").index.pair_words
    prepare = ["prepare", f"--catalog={records.parent}", f"--out={records}", "--prepare_config.backbone=random"]
    settings = {"saliency": "border", "vocabulary_size": 150, "validation_fraction": 0.2, "test_fraction": 0}
    assert main([*prepare, *(f"--prepare_config.{key}={value}" for key, value in settings.items())]) == 0
    assert "there already" in capsys.readouterr().out
    np.testing.assert_array_equal(PhotoRecords.open(records, "train").index.pair_words, pairs)


@pytest.fixture(scope="module")
def learned():
    """A captioner of four photos: red things on the left, blue ones on the right."""
    texts = ["red belt", "blue hat", "a red hat", "the blue belt"]
    tokenizer = SentencePieceTokenizer.train((t for t in texts * 20), 40)
    encodings = [tokenizer.encode(text) for text in texts]
    offsets = np.cumsum([0, *(len(e.ids) for e in encodings)])
    index = SimpleNamespace(
        product=np.arange(4), category=np.zeros(4), subcategory=np.zeros(4), token_offsets=offsets,
        token_ids=np.concatenate([e.ids for e in encodings]), word_ids=np.concatenate([e.word_ids for e in encodings]),
        text_lengths=lambda rows: offsets[rows + 1] - offsets[rows],
    )  # fmt: skip

    def padded(rows, width):
        ids, words = np.zeros((2, len(rows), width), np.int32)
        for place, row in enumerate(rows):
            ids[place, : len(encodings[row].ids)] = encodings[row].ids
            words[place, : len(encodings[row].ids)] = encodings[row].word_ids
        return ids, words, np.arange(width) < index.text_lengths(rows)[:, None]

    index.texts = padded
    maps = np.random.default_rng(0).normal(0, 0.1, (4, CELLS, 6)).astype(np.float16)
    grid = maps.reshape(4, 14, 14, 6)
    for photo, text in enumerate(texts):
        # Colours show at the upper left, belts in the middle, hats at the lower right.
        grid[photo, 1:4, 1:4, 0 if "red" in text else 1] += 3
        grid[photo, 10:13, 10:13, 2 if "hat" in text else 3] += 3
    found = {"rows": np.arange(4), "maps": maps, "product": np.ones((4, CELLS), np.float32)}
    records = SimpleNamespace(index=index, directory="here")
    config = AlignConfig(steps=150, batch_size=4, hidden_size=32, word_share=1.0, hard_share=0.0)
    with functions(eagerly=False):  # many steps
        return Aligner.train(tokenizer, records, found, config, 0), found, encodings


def test_words_find_where_they_are_seen(learned):
    aligner, found, encodings = learned
    texts = [(e.ids, e.word_ids) for e in encodings]
    for heat, _text in zip(aligner.heats(texts, found["maps"], found["product"]), texts):
        where = heat.heat.reshape(-1, 14, 14)
        for word, values in zip(heat.words, where):
            if word in ("red", "blue", "hat", "belt"):
                upper, lower = values[:7, :7].sum(), values[7:, 7:].sum()
                assert (upper > lower) == (word in ("red", "blue")), (word, upper, lower)


def test_captions_are_said_with_attention(learned):
    aligner, found, _ = learned
    captions = aligner.caption(found["maps"], found["product"])
    assert sum(words[-1:] == [kind] for (words, _), kind in zip(captions, ("belt", "hat", "hat", "belt"))) >= 3
    for words, looks in captions:
        np.testing.assert_allclose(looks.sum(axis=1), 1, atol=1e-4)
        assert len(looks) == len(words)


@pytest.mark.parametrize("heat", ["grounding", "attention"])
@pytest.mark.parametrize("words", ["text", "caption"])
def test_texts_of_any_kind(learned, heat, words):
    aligner, found, _ = learned
    other = Aligner(aligner.model, aligner.tokenizer, replace(aligner.config, heat=heat, words=words))
    texts = ["hat", " ".join(["red belt"] * 40), "红色的帽子", ""]
    encodings = [aligner.tokenizer.encode(text) for text in texts]
    pairs = other.align([(e.ids, e.word_ids) for e in encodings], found["maps"], found["product"])
    for of_text, encoding in zip(pairs, encodings):
        assert np.isin(of_text.word, encoding.word_ids).all()
        assert (of_text.score >= 0).all() and (of_text.score <= 1).all()
        _, counts = np.unique(of_text.word, return_counts=True)
        assert (counts <= aligner.config.patches_per_word).all()
    assert not len(pairs[3].word)
    if words == "text":
        assert len(pairs[0].word) and len(pairs[1].word)
    only_empty = other.align([(np.zeros(0, np.int32),) * 2] * 4, found["maps"], found["product"])
    assert not any(len(of_text.word) for of_text in only_empty)


def test_an_aligner_is_saved_and_read_again(learned, tmp_path):
    aligner, found, encodings = learned
    aligner.save(tmp_path / "aligner", {"seed": 0})
    assert Aligner.load(tmp_path / "none", aligner.tokenizer) is None
    assert Aligner.load(tmp_path / "aligner", aligner.tokenizer, {"seed": 1}) is None
    loaded = Aligner.load(tmp_path / "aligner", aligner.tokenizer, {"seed": 0})
    assert loaded.threshold == aligner.threshold and loaded.config == aligner.config
    texts = [(e.ids, e.word_ids) for e in encodings]
    for ours, theirs in zip(*(one.align(texts, found["maps"], found["product"]) for one in (aligner, loaded))):
        np.testing.assert_array_equal(ours.patch, theirs.patch)


def test_align_and_explain_work_as_functions(records, tmp_path):
    moved = shutil.copytree(records, tmp_path / "elsewhere")
    found = align(Records(moved), steps=1, batch_size=6, hidden_size=16, progress=False)
    assert "parts" not in found.metrics["splits"]["train"]  # no catalogue is needed, and none is there
    assert found.table in str(found) and (moved / "alignment.json").exists()
    with pytest.raises(UserError, match="no catalogue beside the records"):
        explain(moved, "wardrobe-000003")
    told = explain(moved, "wardrobe-000003", catalog=records.parent, progress=False)
    assert told.split in found.records and told.draw().width > 1000 and "<html" in told.page()
    random = explain(moved, "wardrobe-000003", catalog=records.parent, masking="random", out=tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 2 and random.name == told.name


def test_explain_asks_for_pairs_where_masking_shall_be_guided(records):
    assert explain(records, "wardrobe-000003").masked.any()
    with pytest.raises(UserError, match="kaleido align"):
        explain(records, "wardrobe-000003", masking="guided")


def test_each_photo_is_encoded_once(records, monkeypatch):
    encoded = []
    encode = ProductMaps.encode
    monkeypatch.setattr(ProductMaps, "encode", lambda self, found: (encoded.append(len(found)), encode(self, found))[1])
    some = align(records, config=replace(QUICK, photos=9))
    assert sum(encoded) == len(Records(records))
    # With the trained captioner alone, all maps are computed, and the pairs are the same.
    metadata = json.loads((records / "metadata.json").read_text())
    del metadata["alignment"]
    (records / "metadata.json").write_text(json.dumps(metadata))
    again = align(records, config=replace(QUICK, photos=9))
    assert sum(encoded) == 2 * len(Records(records))
    for split in some.records:
        for field in ("pair_words", "pair_patches"):
            found, expected = (getattr(of.records[split].index, field) for of in (again, some))
            np.testing.assert_array_equal(found, expected)


def test_align_reads_no_photo_and_finds_no_product_again(records, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("photos were read, or products were looked for")

    monkeypatch.setattr(Catalog, "read", refuse)
    monkeypatch.setattr("kaleido.vision.saliency.create_saliency", refuse)
    monkeypatch.setattr(BorderSaliency, "mask", refuse)
    assert align(records, config=QUICK).photos
