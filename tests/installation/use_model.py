"""Uses trained models where only the base requirements are installed; CI runs it with the wheel."""

import tempfile
from pathlib import Path

import numpy as np

import kaleido
from kaleido.app.model_folder import save_model
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.captioning.config import CaptionConfig
from kaleido.tasks.captioning.model import Captioner
from kaleido.tasks.classification.model import Classifier
from kaleido.text import SentencePieceTokenizer
from kaleido.vision.backbones import create_backbone

folder = Path(tempfile.mkdtemp())
texts = [f"{colour} {name} number {i}" for i in range(30) for colour in ("red", "blue") for name in ("shirt", "hat")]
tokenizer = SentencePieceTokenizer.train(iter(texts), 80)
config = ModelConfig(
    vocab_size=tokenizer.vocab_size, feature_size=64, num_layers=1, hidden_size=16, num_heads=2, intermediate_size=32
)
processor = {"text_length": 16, "backbone": "random", "photos": {"backbone": "random", "max_stored_tokens": 100}}


def model_of(task, network, **content):
    save_model(folder / task, network, task, tokenizer, processor=processor, **content)
    return kaleido.load(folder / task)


photo = np.full((60, 40, 3), 255, np.uint8)
photo[10:50, 10:30] = (200, 30, 30)

model = model_of("pretraining", KaleidoBert(config))
assert model.embed([photo], ["red shirt"]).shape == (1, 16)
assert 0 < model.match([photo], ["red shirt"])[0] < 1
classifier = model_of("category", Classifier(config, "category", 2), labels=["shirts", "hats"])
assert classifier.classify([photo], ["red shirt"], top=1)[0][0][0] in ("shirts", "hats")
captioner = model_of("caption", Captioner(config, "causal"), task_config={"caption_config": vars(CaptionConfig())})
assert isinstance(captioner.caption([photo])[0], str)
assert kaleido.load("fashion-tiny").encode_image([photo]).shape == (1, 256)  # so is this model
assert create_backbone("efficientnet_lite0").feature_size == 1280  # its weights are part of the package
print("a trained model embeds, matches, classifies and captions")
