"""Retrieval from saved model to figures."""

import itertools
import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from kaleido.retrieval.matching_model import load_matching_model
from keras import ops
from sklearn.metrics import roc_auc_score

from kaleido.__main__ import main
from kaleido.app.cluster import Cluster
from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, TrainConfig
from kaleido.app.finetune_config import finetune_config_class, RetrievalConfig
from kaleido.app.model_folder import load_model, save_model
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.records.open import open_records
from kaleido.retrieval.config import CandidatesConfig, RetrieveConfig
from kaleido.retrieval.cosine_scorer import towers_scorer
from kaleido.retrieval.gallery import PhotoGallery
from kaleido.retrieval.pair_scorer import PairScorer
from kaleido.retrieval.protocol import Retrieval
from kaleido.tasks.baselines.config import RetrievalBaselineConfig
from kaleido.tasks.baselines.retrieval import dual_encoder_of, dual_encoder_scorer
from kaleido.tasks.matching.application import Matching
from kaleido.tasks.matching.contrastive import Contrastive
from kaleido.tasks.matching.hard_negatives import mistaken_texts
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.scorer import matching_scorer
from kaleido.tasks.matching.two_tower import Towers
from kaleido.text import load_tokenizer


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
    save_model(directory, KaleidoBert(config, ("mlm", "itm")), tokenizer, {"backbone": "random"})
    return directory


def config_of(catalogue, tmp_path, model="", **changes) -> RetrieveConfig:
    drawn = CandidatesConfig(queries=10, negatives=3, repeats=2, label="category")
    base = RetrieveConfig(
        records=str(catalogue), out=str(tmp_path), split="train", model=str(model), candidates_config=drawn
    )
    return replace(base, **changes)


def test_scores_are_those_of_the_whole_model(catalogue, model):
    tokenizer, bert = load_tokenizer(catalogue), load_model(model)
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
    PairScorer(load_model(model), gallery, batch_size=12).scores(*np.divmod(np.arange(24 * 48), 48))
    np.testing.assert_array_equal(np.sort(np.concatenate(read)), np.arange(48))


def test_lists_are_drawn_once_and_met_by_every_model(catalogue, model, tmp_path):
    config = config_of(catalogue, tmp_path, model)
    first = Retrieval(config)
    assert first.lists_path.parent == catalogue
    stamp = first.lists_path.stat().st_mtime_ns
    again = Retrieval(config)
    assert again.lists_path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.lists["t2i"].candidates, again.lists["t2i"].candidates)
    other = Retrieval(replace(config, candidates_config=replace(config.candidates_config, seed=1)))
    assert other.lists_path != first.lists_path
    fixed = Retrieval(replace(config, protocol="fixed", lists=str(first.lists_path), direction="i2t"))
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
    retrieval = Retrieval(config_of(catalogue, tmp_path, model, protocol="full"))
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


def test_the_command_and_its_scores(catalogue, model, tmp_path, capsys):
    arguments = ["retrieve", f"--records={catalogue}", f"--model={model}", f"--output={tmp_path}", "--split=train"]
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
        (["--shortlist=5"], "needs protocol full"),
        (["--split=test"], "no test records"),
        (["--text=title"], "not made of a catalogue"),
        (["--candidates_config.label=colour"], "not made of a catalogue"),
        (["--candidates_config.negatives=100"], "candidates in its subcategory and category"),
        (["--candidates_config.negatives=100", "--candidates_config.small=drop"], "at most"),
        (["--max_text_length=600"], "max_text_length"),
        (["--lists=/nowhere/lists.jsonl", "--protocol=fixed"], "cannot be read"),
        (["--protocol=full", "--shortlist=5", "--shortlist_model=/nowhere.npz"], "cannot be read"),
        (["--protocol=full", "--shortlist=5"], "no towers"),
    ],
)
def test_bad_input_is_one_line(catalogue, model, tmp_path, capsys, arguments, message):
    command = ["retrieve", f"--records={catalogue}", f"--model={model}", f"--output={tmp_path}", "--split=train"]
    assert main([*command, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1


def test_models_that_do_not_fit(catalogue, model, tmp_path):
    records, tokenizer, saved = open_records(catalogue, "train"), load_tokenizer(catalogue), load_model(model)

    def saved_as(name, config, tasks=("itm",), metadata=None):
        save_model(tmp_path / name, KaleidoBert(config, tasks), tokenizer, metadata or {})
        return tmp_path / name

    with pytest.raises(UserError, match="feature_size is 13"):
        load_matching_model(saved_as("wide", replace(saved.config, feature_size=13)), records, 24)
    with pytest.raises(UserError, match="not trained to match"):
        load_matching_model(saved_as("words", saved.config, ("mlm",)), records, 24)
    with pytest.raises(UserError, match="model's backbone is resnet50"):
        load_matching_model(saved_as("resnet", saved.config, metadata={"backbone": "resnet50"}), records, 24)
    with pytest.raises(UserError, match="16 text positions at most"):
        load_matching_model(saved_as("short", replace(saved.config, max_position_embeddings=16)), records, 24)
    with pytest.raises(UserError, match="no saved model"):
        load_matching_model(tmp_path, records, 24)


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
    start = load_model(model)
    application = Matching(replace(finetuning, model=str(model)))
    built = application.build_model()
    for layer in ("encoder", "pooler"):
        for ours, theirs in zip(getattr(built, layer).get_weights(), getattr(start, layer).get_weights()):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(built.heads["itm"].get_weights()[0], start.heads["itm"].get_weights()[0])
    metrics = Matching(finetuning).run_train_and_evaluate()
    assert set(metrics) == {"loss/total", "loss/itm", "accuracy/itm"}
    loaded = load_matching_model(application.directory / "model", open_records(catalogue, "train"), 24)
    assert loaded.tasks == ("itm",)


def test_towers_learn_make_the_shortlist_and_give_matching_a_start(finetuning, catalogue, tmp_path, capsys):
    train = TrainConfig(batch_size=24, steps=300, optimizer_config=OptimizerConfig(learning_rate=3e-3))
    contrastive = replace(finetuning, task="contrastive", out=str(tmp_path / "towers"), train_config=train)
    metrics = Contrastive(contrastive).run_train_and_evaluate()
    assert metrics["loss/total"] == metrics["loss/contrastive"] and metrics["accuracy/contrastive"] > 0.5  # of 16
    towers = tmp_path / "towers" / "model"
    application = Matching(replace(finetuning, retrieval_config=RetrievalConfig(towers=str(towers))))
    application.run_train_and_evaluate()
    saved = application.directory / "model"
    loaded, before = load_matching_model(saved, open_records(catalogue, "train"), 24), load_model(towers)
    for ours, theirs in zip(loaded.towers.get_weights(), before.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    retrieval = Retrieval(config_of(catalogue, tmp_path, saved, protocol="full", direction="i2t"))
    ranks = retrieval.rank(towers_scorer(loaded.towers, retrieval.gallery, 16))["i2t"].ranks
    assert np.mean(ranks <= 5) > 0.8  # of 24 texts
    command = ["retrieve", f"--records={catalogue}", f"--output={tmp_path}", "--split=train", "--protocol=full"]
    assert main([*command, f"--model={saved}", "--shortlist=6"]) == 0
    assert "| image to text | 48 | 6 |" in capsys.readouterr().out
    assert main([*command, f"--model={towers}"]) == 0
    assert "| image to text | 48 | 24 |" in capsys.readouterr().out
    with np.load(tmp_path / "retrieval-full-train-scores.npz") as found:
        np.testing.assert_array_equal(found["i2t_rank"], ranks)


def test_a_matcher_scores_towers_and_encoder_apart_as_together(catalogue, tmp_path):
    keras.utils.set_random_seed(1)
    tokenizer = load_tokenizer(catalogue)
    model = Matcher(ModelConfig(tokenizer.vocab_size, 12, 2, 16, 2, 32, initializer_range=0.5))
    gallery = PhotoGallery(open_records(catalogue, "train"), tokenizer, 24)
    texts, photos = np.arange(20) % 7, np.arange(20)
    found = matching_scorer(model, gallery, 8).scores(texts, photos)
    logits = ops.convert_to_numpy(model(gallery.texts(texts) | gallery.photos(photos))["itm"])
    np.testing.assert_allclose(found, logits[:, 1] - logits[:, 0], atol=2e-5)
    alone = PairScorer(model.bert, gallery, 8).scores(texts, photos)
    assert np.abs(found - alone).min() > 0.1


def test_the_texts_that_towers_mistake_are_the_nearest_of_other_words(catalogue):
    keras.utils.set_random_seed(2)
    tokenizer, records = load_tokenizer(catalogue), open_records(catalogue, "train")
    towers = Towers(ModelConfig(tokenizer.vocab_size, 12, 1, 16, 2, 32))
    gallery = PhotoGallery(records, tokenizer, 24)
    texts = ops.convert_to_numpy(towers.text_directions(gallery.texts(np.arange(24))))
    photos = ops.convert_to_numpy(towers.photo_directions(gallery.photos(np.arange(48))))
    found = mistaken_texts(towers, records, tokenizer, 24, 4)
    assert found.shape == (48, 4)
    for photo in range(48):
        others = [text for text in range(24) if gallery.text_of_photo[photo] != text]
        nearest = sorted(others, key=lambda text: -photos[photo] @ texts[text])[:4]
        assert set(gallery.text_of_photo[found[photo]]) == set(nearest)
    # There are no more than 23 others.
    everything = mistaken_texts(towers, records, tokenizer, 24, 1000)
    assert everything.shape == (48, 24) and ((everything == -1).sum(axis=1) == 1).all()


def test_matching_learns_from_what_towers_mistake(finetuning, catalogue, tmp_path):
    contrastive = replace(finetuning, task="contrastive", out=str(tmp_path / "towers"))
    Contrastive(contrastive).run_train()
    section = RetrievalConfig(negatives=3, towers=str(tmp_path / "towers" / "model"), hardest=2)
    application = Matching(replace(finetuning, retrieval_config=section))
    records = application.open_records("train")
    training = application._pipeline(records, 16, True, Cluster())
    draws = training.draws(0)
    shown, mistaken = training.texts(draws), application.mistaken(records)
    false = shown != draws.indices
    assert false.sum() > 4 and (mistaken[draws.indices[false]] == shown[false, None]).any(axis=1).all()
    evaluated = application._pipeline(records, 16, False, Cluster())
    draws = evaluated.draws(0)
    false = (shown := evaluated.texts(draws)) != draws.indices
    assert (records.index.subcategory[shown[false]] == records.index.subcategory[draws.indices[false]]).all()
    with pytest.raises(UserError, match="hardest needs towers"):
        RetrievalConfig(hardest=2)


def test_towers_that_cannot_be(finetuning, model, catalogue):
    with pytest.raises(UserError, match="starts from nothing"):
        Contrastive(replace(finetuning, task="contrastive", model=str(model)))
    with pytest.raises(UserError, match="no towers"):
        Matching(replace(finetuning, retrieval_config=RetrievalConfig(towers=str(model))))


def test_finetuning_shows_so_many_negatives(finetuning):
    application = Matching(finetuning)
    assert application.config.preprocess_config.mismatch == "same_subcategory"
    assert application.config.preprocess_config.mismatch_probability == 0.75


def test_the_dual_encoder_learns_and_is_kept(catalogue, tmp_path):
    config = RetrievalBaselineConfig(
        records=str(catalogue), out=str(tmp_path), protocol="full", split="train", epochs=60, batch_size=24,
        learning_rate=1e-2,
    )  # fmt: skip
    path = tmp_path / "dual_encoder.npz"
    retrieval = Retrieval(config)
    ranked = retrieval.rank(dual_encoder_scorer(dual_encoder_of(config, path), retrieval.gallery))
    assert np.mean(ranked["i2t"].ranks == 1) > 0.8
    stamp = path.stat().st_mtime_ns
    again = retrieval.rank(dual_encoder_scorer(dual_encoder_of(config, path), retrieval.gallery))
    assert path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(again["t2i"].ranks, ranked["t2i"].ranks)
    np.testing.assert_array_equal(again["t2i"].scores, ranked["t2i"].scores)


def test_the_baseline_commands(catalogue, tmp_path, capsys):
    common = [f"--records={catalogue}", f"--output={tmp_path}", "--split=validation"]
    assert main(["baseline", "retrieval", *common, "--protocol=full", "--epochs=1"]) == 0
    assert "SumR" in capsys.readouterr().out
    found = json.loads((tmp_path / "retrieval-full-validation.json").read_text())
    assert found["model"] == "dual encoder" and "accuracy" not in found["directions"]["i2t"]
    assert main(["baseline", "recognition", *common, "--label_column=category"]) == 0
    assert "| logistic regression | 5 | 20 |" in capsys.readouterr().out
    assert main(["baseline", "recognition", *common, "--label_column=colour"]) == 2
    assert main(["baseline", "captioning"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
