"""Retrieval baseline: a two-tower model on bags of tokens and whole-photo features."""

import json
from dataclasses import asdict
from pathlib import Path

from kaleido.app.model_folder import SavedModel, load_model, save_model
from kaleido.app.result import Result
from kaleido.backend import keras
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.network_folder import is_network_folder, read_network_config
from kaleido.progress import tqdm
from kaleido.records.open import open_records
from kaleido.records.whole_photos import whole_photo_features
from kaleido.retrieval.gallery import PhotoGallery, open_gallery
from kaleido.retrieval.protocol import Retrieval
from kaleido.retrieval.report import Ranking, retrieval_result
from kaleido.tasks.baselines.config import RetrievalBaselineConfig

LEVELS = (1,)
"""Levels that the baseline reads: the whole photo only."""

_TRAINING_KEYS = ("epochs", "batch_size", "learning_rate", "seed", "text", "text_length")


def retrieval_baseline(config: RetrievalBaselineConfig) -> Result:
    """Trains the baseline and ranks the candidates of a protocol with it.

    The model is saved in the subfolder `model` of `out`, and reused if it was trained with the same settings.

    Raises:
        UserError: if the records are not photo records.
    """
    saved = _trained(config)
    rankings = []
    for one in config.with_distractors():
        retrieval = Retrieval(one, config.text_length)
        scorer = saved.application.create_scorer(saved, retrieval.gallery, config.batch_size)
        rankings.append(Ranking(retrieval, retrieval.rank(scorer)))
    return retrieval_result(rankings, {"model": "two-tower baseline", "epochs": config.epochs, "seed": config.seed})


def _trained(config: RetrievalBaselineConfig) -> SavedModel:
    from kaleido.tasks.matching.two_tower import TwoTower

    train = open_records(Path(config.records), "train")
    gallery = open_gallery(train, config.text_length, text=config.text, catalog=config.catalog)
    if not isinstance(gallery, PhotoGallery):
        raise UserError(
            f"{config.records}: the baseline is trained on photo records; name records made from a catalogue"
        )
    records, directory = gallery.records, Path(config.out) / "model"
    training = {key: value for key, value in asdict(config).items() if key in _TRAINING_KEYS}
    made = json.loads(json.dumps(training)) | {"records": records.fingerprint}
    if is_network_folder(directory) and read_network_config(directory)["training"] == made:
        return load_model(directory)
    keras.utils.set_random_seed(config.seed)
    tokenizer = records.read_tokenizer()
    architecture = ModelConfig(vocab_size=tokenizer.vocab_size, feature_size=records.feature_size)
    model = TwoTower(architecture, LEVELS)
    inputs = gallery.texts(gallery.text_of_photo) | {"level1": whole_photo_features(records)[:, None]}
    batch_size = min(config.batch_size, len(gallery.photo_ids))
    steps = -(-len(gallery.photo_ids) // batch_size) * config.epochs
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    model.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-3))
    with tqdm(total=config.epochs, desc="train the baseline", unit="epoch", leave=False) as progress:
        step = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: progress.update())
        model.fit(inputs, batch_size=batch_size, epochs=config.epochs, shuffle=True, verbose=0, callbacks=[step])
    processor = {
        "text_length": config.text_length,
        "backbone": records.metadata.get("backbone"),
        "photos": records.metadata.get("config"),
        "vocabulary": records.metadata.get("vocabulary"),
    }
    levels = {"levels": list(LEVELS)}
    save_model(directory, model, "contrastive", tokenizer, task_config=levels, processor=processor, training=made)
    return load_model(directory)
