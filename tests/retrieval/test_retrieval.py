"""Retrieval from a saved model to metrics."""

import io
import itertools
import json
import re
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from compiling import functions
from keras import ops
from sklearn.metrics import roc_auc_score

from kaleido.__main__ import main
from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, TrainConfig
from kaleido.app.finetune_config import FinetuneConfig, finetune_config_class
from kaleido.app.model_folder import load_model, save_model
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.records.open import open_records
from kaleido.retrieval import run
from kaleido.retrieval.config import CandidatesConfig, RetrieveConfig
from kaleido.retrieval.cosine_scorer import two_tower_scorer
from kaleido.retrieval.gallery import PhotoGallery
from kaleido.retrieval.pair_scorer import PairScorer
from kaleido.retrieval.protocol import Retrieval
from kaleido.retrieval.run import retrieve
from kaleido.tasks.baselines.config import RetrievalBaselineConfig
from kaleido.tasks.baselines.retrieval import retrieval_baseline
from kaleido.tasks.matching.application import Matching
from kaleido.tasks.matching.config import RetrievalConfig
from kaleido.tasks.matching.contrastive import Contrastive
from kaleido.tasks.matching.hard_negatives import hardest_texts
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.scorer import MatcherScorer
from kaleido.tasks.matching.two_tower import TwoTower
from kaleido.text import load_tokenizer

pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture(scope="module")
def catalogue(records, tmp_path_factory):
    """A copy of the records whose descriptions say what the synthetic ones leave out."""
    directory = tmp_path_factory.mktemp("retrieval") / "records"
    shutil.copytree(records, directory)
    return directory


@pytest.fixture(scope="module")
def model(catalogue, tmp_path_factory):
    """A random model's folder."""
    keras.utils.set_random_seed(0)
    directory = tmp_path_factory.mktemp("model") / "model"
    tokenizer = load_tokenizer(catalogue)
    config = ModelConfig(tokenizer.vocab_size, 12, 2, 16, 2, 32, initializer_range=0.5)
    processor = {"backbone": "random", "text_length": 24}
    save_model(directory, KaleidoBert(config, ("mlm", "itm")), "pretraining", tokenizer, processor=processor)
    return directory


def config_of(catalogue, tmp_path, model="", **changes) -> RetrieveConfig:
    drawn = CandidatesConfig(queries=10, negatives=3, repeats=2, label="category")
    base = RetrieveConfig(
        records=str(catalogue), out=str(tmp_path), split="train", model=str(model), candidates_config=drawn
    )
    return replace(base, **changes)


def test_scores_are_those_of_the_whole_model(catalogue, model):
    tokenizer, bert = load_tokenizer(catalogue), load_model(model).model
    gallery = PhotoGallery(open_records(catalogue, "train"), tokenizer, 24)
    random = np.random.default_rng(0)
    texts, photos = random.integers(0, 24, 90), random.integers(0, 48, 90)
    texts[1], photos[1] = texts[0], photos[0]
    scores = PairScorer(bert, gallery, batch_size=8).scores(texts, photos)
    logits = ops.convert_to_numpy(bert(gallery.texts(texts) | gallery.photos(photos) | mlm_slots(90))["itm"])
    np.testing.assert_allclose(scores, logits[:, 1] - logits[:, 0], atol=2e-5)
    assert scores[0] == scores[1] and np.std(scores) > 0.01


def mlm_slots(rows):
    return {"mlm_positions": np.zeros((rows, 1), np.int32)}


def test_every_photo_and_text_is_read_once(catalogue, model, monkeypatch):
    gallery = PhotoGallery(open_records(catalogue, "train"), load_tokenizer(catalogue), 24)
    read = []
    photos = gallery.photos
    monkeypatch.setattr(gallery, "photos", lambda items: read.append(items) or photos(items))
    PairScorer(load_model(model).model, gallery, batch_size=24).scores(*np.divmod(np.arange(8 * 48), 48))
    np.testing.assert_array_equal(np.sort(np.concatenate(read)), np.arange(48))


def test_lists_are_drawn_once_and_met_by_every_model(catalogue, model, tmp_path):
    config = config_of(catalogue, tmp_path, model)
    first = Retrieval(config, 24)
    assert first.lists_path.parent == catalogue
    stamp = first.lists_path.stat().st_mtime_ns
    again = Retrieval(config, 24)
    assert again.lists_path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.lists["t2i"].candidates, again.lists["t2i"].candidates)
    other = Retrieval(replace(config, candidates_config=replace(config.candidates_config, seed=1)), 24)
    assert other.lists_path != first.lists_path
    fixed = Retrieval(replace(config, protocol="fixed", lists=str(first.lists_path), direction="i2t"), 24)
    assert list(fixed.lists) == ["i2t"]


class Oracle:
    """Scores right pairs highest, but for some photos."""

    threshold = 0.5

    def __init__(self, gallery, wrong=()):
        self.gallery, self.wrong = gallery, wrong

    def scores(self, texts, photos):
        right = (self.gallery.text_of_photo[photos] == texts) & ~np.isin(photos, self.wrong)
        return right.astype(np.float32) + np.random.default_rng(0).random(len(texts)).astype(np.float32) / 4


def test_a_shortlist_changes_no_rank_that_it_holds(catalogue, model, tmp_path):
    retrieval = Retrieval(config_of(catalogue, tmp_path, model, protocol="full"), 24)
    gallery = retrieval.gallery
    whole = retrieval.rank(Oracle(gallery))
    assert all((ranked.ranks == 1).all() for ranked in whole.values())
    # The first stage puts the photos 3 and 4 anywhere; what it loses stays where it was.
    first = Oracle(gallery, wrong=[3, 4])
    stage = retrieval.rank(first)
    short = retrieval.rank_shortlists(first, Oracle(gallery), 5)
    for direction, ranked in short.items():
        assert np.diff(ranked.lists.offsets).max() == 5
        lost = stage[direction].ranks > 5
        np.testing.assert_array_equal(ranked.ranks[lost], stage[direction].ranks[lost])
        assert (ranked.ranks[~lost] == 1).all()


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_a_shortlist_of_lists_is_ranked_within_itself(catalogue, model, tmp_path, size):
    retrieval = Retrieval(config_of(catalogue, tmp_path, model), 24)
    first = Oracle(retrieval.gallery, wrong=np.arange(0, 48, 3))
    stage = retrieval.rank(first)
    short = retrieval.rank_shortlists(first, Oracle(retrieval.gallery), size)
    for direction, ranked in short.items():
        lengths = np.diff(ranked.lists.offsets)
        np.testing.assert_array_equal(lengths, np.minimum(np.diff(stage[direction].lists.offsets), size))
        lost = stage[direction].ranks > size
        assert lost.any() == (size < 4) and not lost.all()
        np.testing.assert_array_equal(ranked.ranks, np.where(lost, stage[direction].ranks, 1))
        # The candidates are those with the best scores of the first stage.
        for query, (start, end) in enumerate(itertools.pairwise(stage[direction].lists.offsets)):
            best = np.argsort(-stage[direction].scores[start:end])[:size]
            kept = slice(*ranked.lists.offsets[query : query + 2])
            candidates = stage[direction].lists.candidates[start:end]
            assert set(ranked.lists.candidates[kept]) == set(candidates[best])


def test_the_command_and_its_scores(catalogue, model, tmp_path, capsys):
    arguments = ["retrieve", f"--records={catalogue}", f"--model={model}", f"--out={tmp_path}", "--split=train"]
    arguments += ["--candidates_config.negatives=3", "--candidates_config.repeats=2", "--candidates_config.small=fill"]
    assert main([*arguments, "--candidates_config.label=category"]) == 0
    shown = capsys.readouterr().out
    assert "pairs of 24 texts and 48 photos; about" in shown and "SumR" in shown
    found = json.loads((tmp_path / "retrieval-random100-train.json").read_text())
    assert found["text"] == "both" and found["records"]["texts"] == 24
    total = 0.0
    with np.load(tmp_path / "retrieval-random100-train-scores.npz", allow_pickle=False) as arrays:
        for direction in ("i2t", "t2i"):
            figures = found["directions"][direction]
            offsets, scores = arrays[f"{direction}_offset"], arrays[f"{direction}_score"]
            labels = arrays[f"{direction}_label"]
            ranks = []
            for start, end in itertools.pairwise(offsets):
                positive = scores[start:end][labels[start:end]].item()
                ranks.append(1 + int((scores[start:end][~labels[start:end]] >= positive).sum()))
            assert ranks == arrays[f"{direction}_rank"].tolist()
            for k in (1, 5, 10):
                assert figures[f"R@{k}"]["value"] == pytest.approx(np.mean(np.array(ranks) <= k))
                total += 100 * figures[f"R@{k}"]["value"]
            assert figures["R@5"]["value"] == 1  # 1 + 3 candidates
            assert figures["AUC"]["value"] == pytest.approx(roc_auc_score(labels, scores))
            assert figures["accuracy"]["value"] == pytest.approx(np.mean((scores > 0) == labels))
            assert figures["R@1"]["low"] <= figures["R@1"]["value"] <= figures["R@1"]["high"]
    assert found["SumR"]["value"] == pytest.approx(total)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol=fixed"], "needs a file"),
        (["--shortlist-model=/nowhere"], "needs the size of the shortlist"),
        (["--shortlist=5", "--rank-by=embeddings"], "set rank_by to head"),
        (["--protocol=full", "--rank-by=embeddings"], "embeds no texts and photos alone"),
        (["--split=test"], "no test records"),
        (["--text=title"], "not made of a catalogue"),
        (["--candidates_config.label=colour"], "not made of a catalogue"),
        (["--candidates_config.negatives=100"], "candidates in its subcategory and category"),
        (["--candidates_config.negatives=100", "--candidates_config.small=drop"], "at most"),
        (["--lists=/nowhere/lists.jsonl", "--protocol=fixed"], "cannot be read"),
        (["--protocol=full", "--shortlist=5", "--shortlist-model=/nowhere"], "no saved model here"),
        (["--protocol=full", "--shortlist=5"], "embeds no texts and photos alone"),
    ],
)
def test_bad_input_is_one_line(catalogue, model, tmp_path, capsys, arguments, message):
    command = ["retrieve", f"--records={catalogue}", f"--model={model}", f"--out={tmp_path}", "--split=train"]
    assert main([*command, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


def test_the_cost_of_everything_is_told_and_an_absurd_one_refused(catalogue, model, tmp_path, capsys, monkeypatch):
    config = config_of(catalogue, tmp_path, model, protocol="full")
    retrieval = Retrieval(config, 24)
    assert retrieval.pairs_to_score() == 24 * 48
    assert retrieval.pairs_to_score(5) == 5 * (24 + 48)
    assert Retrieval(replace(config, direction="t2i"), 24).pairs_to_score(5) == 5 * 24
    monkeypatch.setattr(run, "LONG", -1.0)
    retrieve(config)
    shown = capsys.readouterr().out
    told = r"full: 1,152 pairs of 24 texts and 48 photos; about \d+ seconds here in batches of 64, and 0\."
    assert re.search(told, shown)
    assert "warning: this takes about" in shown and "--shortlist 100" in shown
    monkeypatch.setattr(run.os, "sysconf", lambda name: 1)
    with pytest.raises(UserError, match="more than this machine's memory"):
        retrieve(config)


def test_models_that_do_not_fit(catalogue, model, tmp_path):
    tokenizer, saved = load_tokenizer(catalogue), load_model(model)

    def retrieved_with(name, config, tasks=("itm",), processor=None):
        save_model(tmp_path / name, KaleidoBert(config, tasks), "pretraining", tokenizer, processor=processor)
        return retrieve(config_of(catalogue, tmp_path, tmp_path / name))

    config = saved.model.config
    with pytest.raises(UserError, match="feature_size is 13"):
        retrieved_with("wide", replace(config, feature_size=13))
    with pytest.raises(UserError, match="not trained to match"):
        retrieved_with("words", config, ("mlm",))
    with pytest.raises(UserError, match="model's backbone is resnet50"):
        retrieved_with("resnet", config, processor={"backbone": "resnet50"})
    with pytest.raises(UserError, match="no saved model"):
        retrieve(config_of(catalogue, tmp_path, tmp_path))
    # The model says how long texts are: nobody has to say it again.
    retrieved_with("short", replace(config, max_position_embeddings=16))


@pytest.fixture
def finetuning(catalogue, tmp_path) -> FinetuneConfig:
    return finetune_config_class()(
        "retrieval",
        str(catalogue),
        str(tmp_path / "finetuned"),
        model_config=ModelSection("tiny", 1, 16, 2, 32, dropout=0.0, attention_dropout=0.0),
        retrieval_config=RetrievalConfig(negatives=3),
        train_config=TrainConfig(batch_size=16, steps=2, optimizer_config=OptimizerConfig(learning_rate=1e-2)),
        evaluate_config=EvaluateConfig(split="train", batch_size=16, every=100),
    )


def test_finetuning_keeps_the_pretrained_head_and_gives_a_model_to_retrieve_with(finetuning, model, catalogue):
    start = load_model(model).model
    application = Matching(replace(finetuning, model=str(model)))
    built = application.build_model()
    for layer in ("encoder", "pooler"):
        for ours, theirs in zip(getattr(built, layer).get_weights(), getattr(start, layer).get_weights()):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(built.heads["itm"].get_weights()[0], start.heads["itm"].get_weights()[0])
    metrics = Matching(finetuning).run_train_and_evaluate()
    assert set(metrics) == {"loss/total", "loss/itm", "accuracy/itm"}
    assert load_model(application.directory / "model").model.tasks == ("itm",)


def test_a_two_tower_model_learns_makes_the_shortlist_and_gives_matching_a_start(
    finetuning, catalogue, tmp_path, capsys
):
    train = TrainConfig(batch_size=24, steps=300, optimizer_config=OptimizerConfig(learning_rate=3e-3))
    contrastive = replace(finetuning, task="contrastive", out=str(tmp_path / "two_tower"), train_config=train)
    with functions(eagerly=False):
        metrics = Contrastive(contrastive).run_train_and_evaluate()
    assert metrics["loss/total"] == metrics["loss/contrastive"] and metrics["accuracy/contrastive"] > 0.5  # of 16
    two_tower = tmp_path / "two_tower" / "model"
    application = Matching(replace(finetuning, retrieval_config=RetrievalConfig(two_tower_model=str(two_tower))))
    application.run_train_and_evaluate()
    saved = application.directory / "model"
    loaded, before = load_model(saved).model, load_model(two_tower).model
    for ours, theirs in zip(loaded.two_tower.get_weights(), before.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    retrieval = Retrieval(config_of(catalogue, tmp_path, saved, protocol="full", direction="i2t"), 64)
    ranks = retrieval.rank(two_tower_scorer(loaded.two_tower, retrieval.gallery, 16))["i2t"].ranks
    assert np.mean(ranks <= 5) > 0.8  # of 24 texts
    command = ["retrieve", f"--records={catalogue}", f"--out={tmp_path}", "--split=train", "--protocol=full"]
    assert main([*command, f"--model={saved}", "--shortlist=6"]) == 0
    assert "| image to text | 48 | 6 |" in capsys.readouterr().out
    assert main([*command, f"--model={two_tower}"]) == 0
    assert "| image to text | 48 | 24 |" in capsys.readouterr().out
    with np.load(tmp_path / "retrieval-full-train-scores.npz") as found:
        np.testing.assert_array_equal(found["i2t_rank"], ranks)


def test_a_matcher_scores_two_tower_model_and_encoder_apart_as_together(catalogue, tmp_path):
    keras.utils.set_random_seed(1)
    tokenizer = load_tokenizer(catalogue)
    model = Matcher(ModelConfig(tokenizer.vocab_size, 12, 2, 16, 2, 32, initializer_range=0.5))
    gallery = PhotoGallery(open_records(catalogue, "train"), tokenizer, 24)
    texts, photos = np.arange(20) % 7, np.arange(20)
    found = MatcherScorer(model, gallery, 8).scores(texts, photos)
    logits = ops.convert_to_numpy(model(gallery.texts(texts) | gallery.photos(photos))["itm"])
    np.testing.assert_allclose(found, logits[:, 1] - logits[:, 0], atol=2e-5)
    alone = PairScorer(model.bert, gallery, 8).scores(texts, photos)
    assert np.abs(found - alone).min() > 0.1


def test_hard_negatives_are_the_nearest_texts_of_other_words(catalogue):
    keras.utils.set_random_seed(2)
    tokenizer, records = load_tokenizer(catalogue), open_records(catalogue, "train")
    model = TwoTower(ModelConfig(tokenizer.vocab_size, 12, 1, 16, 2, 32))
    gallery = PhotoGallery(records, tokenizer, 24)
    texts = ops.convert_to_numpy(model.text_embeddings(gallery.texts(np.arange(24))))
    photos = ops.convert_to_numpy(model.image_embeddings(gallery.photos(np.arange(48))))
    found = hardest_texts(model, records, tokenizer, 24, 4)
    assert found.shape == (48, 4)
    for photo in range(48):
        others = [text for text in range(24) if gallery.text_of_photo[photo] != text]
        nearest = sorted(others, key=lambda text: -photos[photo] @ texts[text])[:4]
        assert set(gallery.text_of_photo[found[photo]]) == set(nearest)
    # There are no more than 23 others.
    everything = hardest_texts(model, records, tokenizer, 24, 1000)
    assert everything.shape == (48, 24) and ((everything == -1).sum(axis=1) == 1).all()


def test_matching_learns_from_hard_negatives(finetuning, catalogue, tmp_path):
    contrastive = replace(finetuning, task="contrastive", out=str(tmp_path / "two_tower"))
    Contrastive(contrastive).run_train()
    section = RetrievalConfig(negatives=3, two_tower_model=str(tmp_path / "two_tower" / "model"), hard_negatives=2)
    application = Matching(replace(finetuning, retrieval_config=section))
    records = application.open_records("train")
    training = application.batches("train", training=True)
    draws = training.draws(0)
    shown, negatives = training.texts(draws), application.hard_negatives(records)
    false = shown != draws.indices
    assert false.sum() > 4 and (negatives[draws.indices[false]] == shown[false, None]).any(axis=1).all()
    evaluated = application.batches("train")
    draws = evaluated.draws(0)
    false = (shown := evaluated.texts(draws)) != draws.indices
    assert (records.index.subcategory[shown[false]] == records.index.subcategory[draws.indices[false]]).all()
    with pytest.raises(UserError, match="hard_negatives needs a two-tower model"):
        RetrievalConfig(hard_negatives=2)


def test_two_tower_models_that_cannot_be(finetuning, model, catalogue):
    with pytest.raises(UserError, match="starts from scratch"):
        Contrastive(replace(finetuning, task="contrastive", model=str(model)))
    with pytest.raises(UserError, match="not a two-tower model"):
        Matching(replace(finetuning, retrieval_config=RetrievalConfig(two_tower_model=str(model))))


def test_finetuning_shows_so_many_negatives(finetuning):
    application = Matching(finetuning)
    assert application.config.preprocess_config.mismatch == "same_subcategory"
    assert application.config.preprocess_config.mismatch_probability == 0.75


@pytest.mark.usefixtures("compiled")
def test_the_baseline_learns_and_is_kept(catalogue, tmp_path):
    config = RetrievalBaselineConfig(
        records=str(catalogue), out=str(tmp_path), protocol="full", split="train", epochs=60, batch_size=24,
        learning_rate=1e-2,
    )  # fmt: skip
    result = retrieval_baseline(config)
    assert result.metrics["i2t/R@1"] > 0.8
    path = tmp_path / "model" / "model.safetensors"
    stamp = path.stat().st_mtime_ns
    again = retrieval_baseline(config)
    assert path.stat().st_mtime_ns == stamp
    name = "retrieval-full-train-scores.npz"
    one, two = (np.load(io.BytesIO(found.files[name])) for found in (result, again))
    for array in ("t2i_rank", "t2i_score"):
        np.testing.assert_array_equal(one[array], two[array])
    # The saved baseline is a two-tower model like any other.
    assert retrieve(config_of(catalogue, tmp_path, tmp_path / "model", protocol="full")).metrics == result.metrics


def test_the_baseline_commands(catalogue, tmp_path, capsys):
    common = [f"--records={catalogue}", f"--out={tmp_path}", "--split=validation"]
    assert main(["baseline", "retrieval", *common, "--protocol=full", "--epochs=1"]) == 0
    assert "SumR" in capsys.readouterr().out
    found = json.loads((tmp_path / "retrieval-full-validation.json").read_text())
    assert found["model"] == "two-tower baseline" and "accuracy" not in found["directions"]["i2t"]
    assert main(["baseline", "recognition", *common, "--label=category"]) == 0
    assert "| logistic regression | 5 | 20 |" in capsys.readouterr().out
    assert main(["baseline", "recognition", *common, "--label=colour"]) == 2
    assert main(["baseline", "captioning"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
