import numpy as np
import pytest
from safetensors.numpy import save_file

from kaleido.errors import UserError
from kaleido.model.bert import load_bert
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert

CONFIG = ModelConfig(30, 12, 2, 16, 4, 32, max_position_embeddings=24)


def bert(prefix="", head=True):
    """Writes a random BERT in the Hugging Face layout."""
    random = np.random.default_rng(0)
    shapes = {
        "embeddings.word_embeddings.weight": (30, 16),
        "embeddings.position_embeddings.weight": (24, 16),
        "embeddings.token_type_embeddings.weight": (2, 16),
        "pooler.dense.weight": (16, 16),
        "pooler.dense.bias": (16,),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in ("encoder.layer.0.", "encoder.layer.1."):
        for name, rows, columns in (
            ("attention.self.query", 16, 16),
            ("attention.self.key", 16, 16),
            ("attention.self.value", 16, 16),
            ("attention.output.dense", 16, 16),
            ("intermediate.dense", 32, 16),
            ("output.dense", 16, 32),
        ):
            shapes |= {f"{layer}{name}.weight": (rows, columns), f"{layer}{name}.bias": (rows,)}
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    shapes |= {f"{name}.{part}": (16,) for name in norms for part in ("weight", "bias")}
    arrays = {f"{prefix}{name}": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays[f"{prefix}embeddings.position_ids"] = np.arange(24)[None]
    if head:
        arrays["cls.predictions.transform.dense.weight"] = random.normal(size=(16, 16)).astype(np.float32)
        arrays["cls.predictions.transform.dense.bias"] = random.normal(size=16).astype(np.float32)
        arrays["cls.predictions.transform.LayerNorm.weight"] = random.normal(size=16).astype(np.float32)
        arrays["cls.predictions.transform.LayerNorm.bias"] = random.normal(size=16).astype(np.float32)
        arrays["cls.predictions.bias"] = random.normal(size=30).astype(np.float32)
        arrays["cls.seq_relationship.bias"] = np.zeros(2, np.float32)
    return arrays


@pytest.mark.parametrize("prefix, head", [("", False), ("bert.", True)])
def test_loads_every_array_to_its_place(tmp_path, prefix, head):
    arrays = bert(prefix, head)
    save_file(arrays, tmp_path / "model.safetensors")
    model = KaleidoBert(CONFIG)
    patches = np.asarray(model.patch_embedding.position.kernel).copy()
    load_bert(model, tmp_path)
    layer = model.encoder.blocks[1]
    np.testing.assert_array_equal(
        layer.output_projection.kernel, arrays[f"{prefix}encoder.layer.1.output.dense.weight"].T
    )
    np.testing.assert_array_equal(layer.attention.key.bias, arrays[f"{prefix}encoder.layer.1.attention.self.key.bias"])
    np.testing.assert_array_equal(
        model.text_embedding.token.embeddings, arrays[f"{prefix}embeddings.word_embeddings.weight"]
    )
    np.testing.assert_array_equal(model.patch_embedding.position.kernel, patches)
    if head:
        np.testing.assert_array_equal(
            model.heads["mlm"].transform.kernel, arrays["cls.predictions.transform.dense.weight"].T
        )


def test_what_does_not_fit_is_listed_and_nothing_is_changed(tmp_path):
    arrays = bert()
    del arrays["encoder.layer.0.output.dense.bias"]
    arrays["encoder.layer.2.output.dense.bias"] = np.zeros(16, np.float32)
    arrays["pooler.dense.bias"] = np.zeros(17, np.float32)
    save_file(arrays, tmp_path / "model.safetensors")
    model = KaleidoBert(CONFIG)
    before = [np.asarray(weight).copy() for weight in model.weights]
    with pytest.raises(UserError) as error:
        load_bert(model, tmp_path / "model.safetensors")
    for part in ("layer.0.output.dense.bias is missing", "layer.2.output.dense.bias is not known", "(17,)", "(16,)"):
        assert part in str(error.value)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_no_file_and_no_safetensors(tmp_path):
    model = KaleidoBert(CONFIG)
    with pytest.raises(UserError, match=r"get_bert\.sh"):
        load_bert(model, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a safetensors file"):
        load_bert(model, tmp_path)
