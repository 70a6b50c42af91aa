"""Saved models of random weights, one of each task, and photos; used by tests of several folders."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from kaleido.app.model_folder import save_model
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.captioning.config import CaptionConfig
from kaleido.tasks.captioning.model import Captioner
from kaleido.tasks.classification.model import Classifier
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.two_tower import TwoTower
from kaleido.text import SentencePieceTokenizer

LABELS = ["dresses", "shoes, flat", "été", "bags"]
PHOTOS = {"backbone": "random", "saliency": "border", "max_stored_tokens": 100}
TEXT_LENGTH = 16


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory) -> dict[str, Path]:
    """Folders of models by task."""
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    texts = [
        f"{colour} {name} number {i}" for i in range(30) for colour in ("red", "blue") for name in ("shirt", "hat")
    ]
    tokenizer = SentencePieceTokenizer.train(iter(texts), 80)
    # Weights are large, so that answers differ.
    sizes = {"num_layers": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32, "initializer_range": 0.5}
    config = ModelConfig(vocab_size=tokenizer.vocab_size, feature_size=64, **sizes)
    models = {
        "pretraining": KaleidoBert(config),
        "category": Classifier(config, "category", len(LABELS)),
        "contrastive": TwoTower(config),
        "retrieval": Matcher(config),
        "caption": Captioner(config, "causal"),
    }
    sections = {"caption": {"caption_config": vars(CaptionConfig(beams=2))}, "contrastive": {"levels": [1, 2, 3, 4, 5]}}
    for task, model in models.items():
        save_model(
            folder / task,
            model,
            task,
            tokenizer,
            labels=LABELS if task == "category" else (),
            task_config=sections.get(task),
            processor={"text_length": TEXT_LENGTH, "backbone": "random", "photos": PHOTOS},
        )
    return {task: folder / task for task in models}


@pytest.fixture(scope="session")
def photo_files(tmp_path_factory) -> list[Path]:
    """Four photos of coloured products on white."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    paths = []
    for number, (width, height) in enumerate([(40, 60), (33, 21), (50, 50), (64, 30)]):
        pixels = np.full((height, width, 3), 255, np.uint8)
        pixels[4:-4, 4:-4] = random.integers(0, 200, (height - 8, width - 8, 3))
        paths.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths
