from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_fixtures import write_records

from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, TrainConfig
from kaleido.app.finetune_config import FinetuneConfig, finetune_config_class
from kaleido.app.model_folder import load_model
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.tasks.captioning.application import Captioning
from kaleido.tasks.captioning.config import CaptionConfig
from kaleido.tasks.pretraining.application import Pretraining

pytestmark = pytest.mark.usefixtures("uncompiled", "no_java")


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """Records of two batches, whose captions are soon learned."""
    return write_records(tmp_path_factory.mktemp("few") / "records", {"train": 16})


@pytest.fixture
def finetuning(records, tmp_path) -> FinetuneConfig:
    return finetune_config_class()(
        "caption",
        str(records),
        str(tmp_path / "finetuned"),
        preprocess_config=PipelineConfig(max_text_length=24),
        model_config=ModelSection("tiny", 1, 64, 2, 128, dropout=0.0, attention_dropout=0.0),
        caption_config=CaptionConfig(beams=1, no_repeat_ngram=0),
        train_config=TrainConfig(
            batch_size=8, steps=200, tensorboard=False, optimizer_config=OptimizerConfig(learning_rate=5e-3)
        ),
        evaluate_config=EvaluateConfig(split="train", batch_size=8, every=200),
    )


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("decoder", "rounds", "steps"), [("causal", 1, 120), ("mask_predict", 3, 200)])
def test_captions_are_learned(finetuning, few, change, decoder, rounds, steps):
    options = {"caption_config.decoder": decoder, "caption_config.rounds": rounds, "train_config.steps": steps}
    config = change(finetuning, records=str(few), **options)
    application = Captioning(config)
    metrics = application.run_train_and_evaluate()
    assert metrics["accuracy/caption"] > 0.5
    captions = list(application.run_caption("train"))
    records = application.open_records("train")
    texts = [application.tokenizer.decode(records.example(row)["token_ids"]) for row in range(len(records))]
    assert len(captions) == len(texts)
    said = np.mean([caption.text.split()[:1] == text.split()[:1] for caption, text in zip(captions, texts)])
    assert said > 0.5
    assert all(caption.log_probability < 0 for caption in captions)
    loaded = load_model(application.directory / "model").model
    assert loaded.decoder == decoder
    for ours, theirs in zip(loaded.weights, application.model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_starts_from_the_body_and_the_words_of_pretraining(config, finetuning, change):
    pretrained = change(config, **{"train_config.steps": 1})
    Pretraining(pretrained).run_train()
    start = load_model(f"{pretrained.out}/model").model
    model = Captioning(change(finetuning, model=f"{pretrained.out}/model")).build_model()
    for part in ("text_embedding", "patch_embedding", "encoder"):
        for ours, theirs in zip(getattr(model.bert, part).weights, getattr(start, part).weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(model.bert.heads["mlm"].weights, start.heads["mlm"].weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_mask_predict_never_sees_the_text(finetuning, change):
    application = Captioning(change(finetuning, **{"caption_config.decoder": "mask_predict"}))
    application.build_model()
    batch = next(iter(application.batches("train", training=True)))
    logits = application.build_logits(batch, "train")["caption"]
    other = batch | {"token_ids": np.where(np.arange(batch["token_ids"].shape[1]) > 0, 7, batch["token_ids"])}
    np.testing.assert_allclose(application.build_logits(other, "train")["caption"], logits, atol=1e-6)
    assert logits.shape == (8, batch["token_ids"].shape[1] - 1, application.tokenizer.vocab_size)


def test_padding_does_not_count(finetuning):
    application = Captioning(finetuning)
    application.build_model()
    batch = next(iter(application.batches("train", training=True)))
    padded = {name: np.pad(batch[name], ((0, 0), (0, 8))) for name in ("token_ids", "token_mask")}
    losses = []
    for labels in (batch, batch | padded):
        weights = application.build_loss_weights(labels)
        losses.append(float(application.build_loss(application.build_logits(labels, "evaluate"), labels, weights)))
        assert float(weights["caption"]) == batch["token_mask"].sum() - 8
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_bad_configurations(finetuning, change, tmp_path):
    with pytest.raises(UserError, match=r"training texts are longer .* the longest 2\d positions.*long_texts"):
        Captioning(change(finetuning, **{"preprocess_config.max_text_length": 12}))
    Captioning(change(finetuning, **{"preprocess_config.max_text_length": 12, "caption_config.long_texts": "cut"}))
    with pytest.raises(UserError, match=r"at most 16, the text positions of the model. Received: 24"):
        Captioning(change(finetuning, **{"model_config.max_position_embeddings": 16}))
    with pytest.raises(UserError, match=r"caption_config.beams must be in"):
        CaptionConfig(beams=0)


def test_models_of_other_tasks_and_other_options(finetuning, change, tmp_path):
    quick = change(finetuning, **{"train_config.steps": 1})
    Captioning(quick).run_train()
    with pytest.raises(UserError, match="a fine-tuned model"):
        Captioning(change(quick, model=f"{quick.out}/model", out=str(tmp_path / "again")))
    saved = load_model(tmp_path / "finetuned" / "model")
    assert saved.application.create_predictor(saved, 4, beams=2, rounds=None).config == replace(
        quick.caption_config, beams=2
    )
