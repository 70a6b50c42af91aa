"""Training the dual encoder, keeping it, and scoring with it."""

import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np

from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.whole_photos import whole_photo_features
from kaleido.retrieval.cosine_scorer import CosineScorer
from kaleido.retrieval.gallery import Gallery, PhotoGallery
from kaleido.retrieval.protocol import open_gallery
from kaleido.tasks.baselines.config import RetrievalBaselineConfig
from kaleido.tasks.baselines.dual_encoder import DualEncoder
from kaleido.text import load_tokenizer

FORMAT = "kaleido dual encoder 1"


def dual_encoder_of(config: RetrievalBaselineConfig, path: Path) -> DualEncoder:
    """The dual encoder that a configuration describes: what is in the file, or trained now and written there."""
    gallery = open_gallery(replace(config, split="train"), raw_positions=False)
    if not isinstance(gallery, PhotoGallery):
        raise UserError(f"{config.records}: the baseline is trained on records of photos; name those of a catalogue")
    if model := load_dual_encoder(path, gallery, config):
        return model
    model = train_dual_encoder(gallery, config)
    save_dual_encoder(path, model, config, gallery)
    return model


def train_dual_encoder(gallery: PhotoGallery, config: RetrievalBaselineConfig) -> DualEncoder:
    """Trains on the texts and photos of a gallery.

    Args:
        gallery: Of the train split.
        config: How long and how.
    """
    keras.utils.set_random_seed(config.seed)
    vocab_size = load_tokenizer(gallery.records.directory).vocab_size
    model = DualEncoder(vocab_size, gallery.records.feature_size)
    inputs = {
        "token_ids": gallery.texts(gallery.text_of_photo)["token_ids"],
        "features": whole_photo_features(gallery.records),
    }
    batch_size = min(config.batch_size, len(gallery.photo_ids))
    steps = -(-len(gallery.photo_ids) // batch_size) * config.epochs
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    model.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-3))
    with tqdm(total=config.epochs, desc="train the dual encoder", unit="epoch", leave=False) as progress:
        step = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: progress.update())
        model.fit(inputs, batch_size=batch_size, epochs=config.epochs, shuffle=True, verbose=0, callbacks=[step])
    return model


def save_dual_encoder(path: Path, model: DualEncoder, config: RetrievalBaselineConfig, gallery: Gallery) -> None:
    """Writes weights as `.npz`, with what they were made of."""
    about = {"format": FORMAT, "sizes": model.sizes, "made": _made(config, gallery)}
    arrays = {f"weight_{number}": value for number, value in enumerate(model.get_weights())}
    file = io.BytesIO()
    np.savez(file, about=np.array(json.dumps(about)), **arrays)
    write_atomically(path, file.getvalue())


def load_dual_encoder(
    path: Path, gallery: Gallery, config: RetrievalBaselineConfig | None = None
) -> DualEncoder | None:
    """Reads what `save_dual_encoder` wrote.

    Args:
        path: Of the file.
        gallery: That it shall score, or with `config` the one that it was to be trained on.
        config: As it must have been trained.

    Returns:
        The model; None with `config` where there is none, or one that was trained otherwise.

    Raises:
        UserError: if it cannot be read, or is of another vocabulary or backbone.
    """
    if config and not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["format"] != FORMAT:
                raise ValueError("another format")
            weights = [arrays[f"weight_{number}"] for number in range(len(arrays) - 1)]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # damaged archives make NumPy and zipfile raise nearly anything
        raise UserError(f"{path}: no dual encoder of this version ({error}); `baseline retrieval` makes one") from None
    if config and about["made"] != _made(config, gallery):
        return None
    sizes = {"feature_size": gallery.records.feature_size}
    if vocabulary := gallery.records.metadata.get("vocabulary"):
        sizes["vocab_size"] = vocabulary["size"]
    for name, size in sizes.items():
        if about["sizes"][name] != size:
            raise UserError(
                f"{path}: the dual encoder's {name} is {about['sizes'][name]} and that of {gallery.records.directory} "
                f"{size}; train it on records of the same backbone and vocabulary"
            )
    model = DualEncoder(**about["sizes"])
    model.set_weights(weights)
    return model


def _made(config: RetrievalBaselineConfig, gallery: Gallery) -> dict:
    keys = ("epochs", "batch_size", "learning_rate", "seed", "text", "max_text_length")
    return {key: value for key, value in asdict(config).items() if key in keys} | {
        "records": gallery.records.fingerprint
    }


def dual_encoder_scorer(model: DualEncoder, gallery: Gallery) -> CosineScorer:
    """Scores the pairs of a gallery by a dual encoder."""

    def texts(items: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(model.texts(gallery.texts(items)["token_ids"]))

    def photos(items: np.ndarray) -> np.ndarray:
        features = gallery.photos(items)["level1"][:, 0].astype(np.float32)
        return keras.ops.convert_to_numpy(model.photos(features))

    return CosineScorer(gallery, texts, photos, batch_size=512)
