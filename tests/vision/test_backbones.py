"""The backbones: known facts of the trained ones, and the promise that a crop's features depend on it alone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps
from safetensors.numpy import load_file, save_file

from kaleido.errors import UserError
from kaleido.vision.backbones import create_backbone
from kaleido.vision.backbones.efficientnet_lite0 import SHIPPED
from kaleido.vision.backbones.pointwise import PointwiseConv2D
from kaleido.vision.backbones.random_projection import RandomProjection
from kaleido.vision.backbones.shifted_depthwise import ShiftedDepthwiseConv2D, depthwise_layer

CLASSIFIER = Path(__file__).with_name("imagenet_classifier.safetensors")
"""The classifier of EfficientNet-Lite0 (Google, Apache-2.0), which the package leaves out, rounded to 8 bits."""

CLOTHING = Path(__file__).parents[2] / ".." / "shared" / "datasets" / "clothing_photos.zip"


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def lite0():
    return create_backbone("efficientnet_lite0")


def test_unknown_name():
    with pytest.raises(UserError, match=r"efficientnet_lite0, resnet50, random\. Received: resnet51"):
        create_backbone("resnet51")


def test_importing_needs_no_deep_learning_library():
    check = "import sys, kaleido.vision.features; sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow')))"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONPATH": str(root)}).returncode == 0


def test_random_is_seeded_and_sensitive():
    crops = noise(6, 20)
    backbone = RandomProjection(feature_size=33)
    vectors = backbone.encode(crops)
    assert vectors.shape == (6, 33)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, RandomProjection(feature_size=33).encode(crops))
    assert not np.array_equal(vectors, RandomProjection(feature_size=33, seed=1).encode(crops))
    turned = backbone.encode(np.rot90(crops, axes=(1, 2)))
    assert np.abs(turned - vectors).max(axis=1).min() > 0.05
    with pytest.raises(UserError, match="no weights"):
        create_backbone("random", "weights.h5")
    with pytest.raises(UserError, match=r"float32 only\. Received: float16"):
        create_backbone("random", precision="float16")


@pytest.mark.parametrize("size", [32, 48, 64, 96])
def test_lite0_features_depend_on_the_crop_alone(lite0, size):
    crops = noise(32, size)
    vectors = lite0.encode(crops)
    assert vectors.shape == (32, lite0.feature_size) == (32, 1280)
    assert vectors.dtype == np.float32
    order = np.random.default_rng(1).permutation(32)
    np.testing.assert_array_equal(lite0.encode(crops[order]), vectors[order])
    others = crops.copy()
    others[1:] = 255 - crops[1:]
    np.testing.assert_array_equal(lite0.encode(others)[0], vectors[0])


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_shifted_depthwise_convolution(kernel, stride):
    keras.utils.set_random_seed(kernel)
    options = {"padding": "same", "activation": "relu6", "bias_initializer": "normal"}
    plain = keras.layers.DepthwiseConv2D(kernel, stride, **options)
    shifted = ShiftedDepthwiseConv2D(kernel, stride, **options)
    for height, width in ((8, 9), (1, 1), (2, 7)):
        pictures = keras.random.normal((2, height, width, 3))
        expected = plain(pictures)
        if not shifted.built:
            shifted.build(pictures.shape)
            shifted.set_weights(plain.get_weights())
        np.testing.assert_allclose(shifted(pictures), expected, rtol=1e-5, atol=1e-6)


def test_pointwise_convolution():
    keras.utils.set_random_seed(0)
    options = {"activation": "relu6", "bias_initializer": "normal"}
    plain = keras.layers.Conv2D(5, 1, **options)
    pointwise = PointwiseConv2D(5, 1, **options)
    for height, width in ((8, 9), (1, 1)):
        pictures = keras.random.normal((2, height, width, 3))
        expected = plain(pictures)
        if not pointwise.built:
            pointwise.build(pictures.shape)
            pointwise.set_weights(plain.get_weights())
        np.testing.assert_allclose(pointwise(pictures), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("accelerated", "layer"), [(0, ShiftedDepthwiseConv2D), (1, keras.layers.DepthwiseConv2D)])
def test_the_depthwise_layer_of_a_device(monkeypatch, accelerated, layer):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr("kaleido.vision.backbones.shifted_depthwise.accelerators", lambda: accelerated)
    assert depthwise_layer() is layer


JAX_FEATURES = """
import sys
import numpy as np
from kaleido.vision.backbones import create_backbone
np.save(sys.argv[2], create_backbone("efficientnet_lite0").encode(np.load(sys.argv[1])))
"""


def test_lite0_is_the_same_on_jax(lite0, tmp_path):
    pytest.importorskip("jax")
    crops = noise(4, 48)
    np.save(tmp_path / "crops.npy", crops)
    paths = [str(tmp_path / name) for name in ("crops.npy", "features.npy")]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", JAX_FEATURES, *paths], check=True, env=environment)
    np.testing.assert_allclose(np.load(paths[1]), lite0.encode(crops), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not CLOTHING.exists(), reason="needs the clothing photos")
def test_lite0_recognises_clothing(lite0):
    """With the classifier of the same checkpoint, the features must name what ImageNet has a name for."""
    expected = {
        "t-shirt": {610, 841},
        "shoes": {502, 514, 630, 770, 774},
    }  # jersey, sweatshirt; clog, boot, loafer, ...
    classifier = load_file(CLASSIFIER)
    weights = classifier["weight"] * classifier["scale"][:, None]
    with zipfile.ZipFile(CLOTHING) as archive:
        names = [name for name in archive.namelist() if name.split("/")[0] in expected]
        photos = [ImageOps.exif_transpose(Image.open(archive.open(name))).convert("RGB") for name in names]
    crops = np.stack([np.asarray(ImageOps.fit(photo, (224, 224), Image.Resampling.BICUBIC)) for photo in photos])
    classes = (lite0.encode(crops) @ weights.T + classifier["bias"]).argmax(axis=1)
    right = sum(found in expected[name.split("/")[0]] for name, found in zip(names, classes, strict=True))
    assert len(names) == 26
    assert right >= 24


@pytest.mark.skipif(not CLOTHING.exists(), reason="needs the clothing photos")
def test_lite0_in_half_precision(lite0):
    half = create_backbone("efficientnet_lite0", precision="float16")
    assert keras.config.dtype_policy().name == "float32"
    assert half.network.get_layer("_conv_head").compute_dtype == "float16"
    with zipfile.ZipFile(CLOTHING) as archive:
        photos = [Image.open(archive.open(name)) for name in archive.namelist()[::4] if name.endswith(".jpg")]
        for photo in photos:
            photo.draft("RGB", (480, 480))
            photo.load()
    crops = np.stack([np.asarray(photo.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)) for photo in photos])
    expected, vectors = lite0.encode(crops), half.encode(crops)
    assert vectors.dtype == np.float32
    norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(vectors, axis=1)
    assert len(crops) >= 20
    assert ((expected * vectors).sum(axis=1) / norms).min() >= 0.9995
    assert not np.array_equal(expected, vectors)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda arrays: arrays.update({"_conv_head/kernel": np.ones((2, 2, 1, 1), np.float32)}),
            "kernel has the shape",
        ),
        (lambda arrays: arrays.pop("_blocks.3._expand_conv/bias"), r"_blocks\.3\._expand_conv/bias is missing"),
        (lambda arrays: arrays["_conv_stem/bias"].fill(np.inf), "_conv_stem/bias holds values that are not finite"),
    ],
)
def test_lite0_with_weights_of_something_else(tmp_path, damage, message):
    arrays = load_file(SHIPPED)
    damage(arrays)
    save_file(arrays, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=rf"other\.safetensors: .*{message}"):
        create_backbone("efficientnet_lite0", str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00.", SHIPPED.read_bytes()[:-9]])
def test_lite0_with_a_file_that_is_no_safetensors(tmp_path, content):
    path = tmp_path / "efficientnet.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"efficientnet\.pth: damaged, or not a file of weights"):
        create_backbone("efficientnet_lite0", str(path))
    with pytest.raises(UserError, match="absent"):
        create_backbone("efficientnet_lite0", str(tmp_path / "absent.safetensors"))


def test_resnet50_from_a_file(tmp_path):
    keras.utils.set_random_seed(0)
    network = keras.applications.ResNet50(include_top=False, pooling="avg", weights=None)
    path = tmp_path / "resnet50.weights.h5"
    network.save_weights(path)
    backbone = create_backbone("resnet50", str(path))
    assert backbone.feature_size == 2048
    assert backbone.crop_sizes == (224,) * 5
    crops = noise(2, 64)
    expected = network(keras.applications.resnet50.preprocess_input(crops.astype(np.float32)), training=False)
    np.testing.assert_allclose(backbone.encode(crops), expected, rtol=1e-4, atol=1e-5)

    path.write_bytes(b"not HDF5")
    with pytest.raises(UserError, match="does not hold the weights of resnet50"):
        create_backbone("resnet50", str(path))


def test_resnet50_without_network_or_file(monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise Exception("URL fetch failure")  # what Keras raises

    monkeypatch.setattr(keras.applications, "ResNet50", no_network)
    with pytest.raises(UserError, match=r"--prepare_config\.backbone_weights FILE"):
        create_backbone("resnet50")
    with pytest.raises(UserError, match=r"Received: .*absent\.h5"):
        create_backbone("resnet50", str(tmp_path / "absent.h5"))
