"""Preparation of photos and texts in TensorFlow operations, against Pillow, NumPy and the tokenizers."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from kaleido.constants import LEVELS
from kaleido.text import SentencePieceTokenizer, WordPieceTokenizer
from kaleido.text.batch import text_batch
from kaleido.vision.backbones.random_projection import RandomProjection
from kaleido.vision.features import FeatureExtractor
from kaleido.vision.photo import decode
from kaleido.vision.saliency import BorderSaliency, NoSaliency, create_saliency

tf = pytest.importorskip("tensorflow")
from kaleido.pretrained.graph.decoding import decoded  # noqa: E402
from kaleido.pretrained.graph.photos import photo_reader  # noqa: E402
from kaleido.pretrained.graph.resizing import resized  # noqa: E402
from kaleido.pretrained.graph.saliency import box_of, marked  # noqa: E402

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (40, 30, 4)).astype(np.uint8)
SMOOTH = np.asarray(Image.fromarray(PIXELS[:8, :6]).resize((30, 40), Image.Resampling.BICUBIC))


def file_of(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels, depth, colour, *others):
    """A PNG of any depth, which Pillow does not write: pixels int [H, W, channels]."""
    rows = b""
    for row in pixels:
        bits = "".join(format(value, f"0{depth}b") for value in row.ravel())
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, colour, 0, 0, 0)
    blocks = [chunk(b"IHDR", header), *(chunk(*other) for other in others), chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(blocks) + chunk(b"IEND", b"")


def files():
    colour = Image.fromarray(SMOOTH[..., :3])
    clear = Image.fromarray(PIXELS, "RGBA")
    found = {
        "plain.jpg": file_of(colour, "JPEG"),
        "progressive.jpg": file_of(colour, "JPEG", progressive=True, quality=60),
        "full chroma.jpg": file_of(colour, "JPEG", subsampling=0),
        "grey.jpg": file_of(colour.convert("L"), "JPEG"),
        "cmyk.jpg": file_of(colour.convert("CMYK"), "JPEG"),
        "colour.png": file_of(colour, "PNG"),
        "grey.png": file_of(colour.convert("L"), "PNG"),
        "palette.png": file_of(colour.quantize(50), "PNG"),
        "palette and clear.png": file_of(colour.quantize(50), "PNG", transparency=3),
        "clear.png": file_of(clear, "PNG"),
        "grey and clear.png": file_of(clear.convert("LA"), "PNG"),
        "grey with a clear level.png": file_of(colour.convert("L"), "PNG", transparency=200),
    }
    for number in range(1, 9):
        exif = Image.Exif()
        exif[0x010F], exif[0x0112] = "a camera", number
        found |= {f"turned {number}.{kind}": file_of(colour, kind, exif=exif) for kind in ("JPEG", "PNG")}
        little = b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, number, 0) + bytes(4)
        found[f"turned {number} little-endian.jpg"] = file_of(colour, "JPEG", exif=b"Exif\0\0" + little)
    for depth in (1, 2, 4):
        values = RANDOM.integers(0, 2**depth, (9, 11, 1))
        palette = RANDOM.integers(0, 256, 3 * 2**depth).astype(np.uint8).tobytes()
        found[f"grey {depth}.png"] = png(values, depth, 0)
        found[f"palette {depth}.png"] = png(values, depth, 3, (b"PLTE", palette))
    for channels, colours in ((1, 0), (2, 4), (3, 2), (4, 6)):
        found[f"16 bits, {channels}.png"] = png(RANDOM.integers(0, 2**16, (9, 11, channels)), 16, colours)
    return found


FILES = files()


@pytest.fixture(scope="module")
def decoder():
    return tf.function(lambda data: decoded(data, 0.01, 5), [tf.TensorSpec((), tf.string)], autograph=False)


@pytest.mark.parametrize("name", FILES)
def test_files_are_decoded_to_the_same_pixels(decoder, name):
    np.testing.assert_array_equal(decoder(FILES[name]), decode(FILES[name]))


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "not a JPEG or PNG"),
        (b"GIF89a" + bytes(99), "not a JPEG or PNG"),
        (FILES["plain.jpg"][:300], "JPEG"),
        (FILES["colour.png"][:300], "PNG"),
        (b"\x89PNG", "too small"),
        (file_of(Image.new("RGB", (4, 90)), "PNG"), "too small"),
        (file_of(Image.new("RGB", (101, 100)), "PNG"), "too large"),
        (file_of(Image.new("RGB", (101, 100)), "JPEG"), "too large"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_with_a_reason(decoder, data, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decoder(data)


@pytest.fixture(scope="module")
def resizer():
    specification = [tf.TensorSpec((None, None, 3), tf.uint8)]
    made = {size: tf.function(lambda p, s=size: resized(p, s), specification, autograph=False) for size in (16, 33)}
    return lambda pixels, size: made[size](pixels).numpy()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 260), st.integers(1, 260), st.sampled_from([16, 33]), st.booleans(), st.integers(0, 99))
@example(96, 55, 16, False, 0)
def test_pixels_are_resized_as_by_pillow(resizer, height, width, size, hard, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    pixels = np.where(pixels > 127, 255, 0).astype(np.uint8) if hard else pixels
    wanted = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(resizer(pixels, size), np.asarray(wanted))


def scene(seed):
    """A photo with some products, specks, snakes and noise."""
    random = np.random.default_rng(seed)
    height, width = random.integers(5, 120, 2)
    photo = np.full((height, width, 3), random.integers(180, 256), np.int64) + random.integers(
        -2, 3, (height, width, 3)
    )
    for _ in range(random.integers(0, 5)):
        (y1, y2), (x1, x2) = np.sort(random.integers(0, height + 1, 2)), np.sort(random.integers(0, width + 1, 2))
        photo[y1:y2, x1:x2] = random.integers(0, 256, 3)
    if random.random() < 0.5:
        photo[::4, random.integers(2) :: 2] = 10  # rows of specks
        photo[:: random.integers(2, 6)] = 40  # stripes
    return photo.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["border", "none", "unet"])
def test_products_are_found_as_in_python(name):
    saliency = create_saliency(name)
    specification = [tf.TensorSpec((None, None, 3), tf.uint8)]

    @tf.function(input_signature=specification, autograph=False)
    def find(photo):
        mask = marked(saliency, photo)
        return mask, box_of(mask, 5)

    from kaleido.vision.saliency import box_of as box_in_python

    for seed in range(25):
        photo = scene(seed)
        mask, box = find(photo)
        wanted = saliency.mask(photo)
        assert (mask.numpy() != wanted).mean() < (1e-3 if name == "unet" else 1e-9), seed
        assert np.abs(np.subtract(box.numpy(), box_in_python(wanted))).max() <= (1 if name == "unet" else 0), seed


@pytest.mark.parametrize(
    "grid, saliency, sizes",
    [("kaleido", BorderSaliency(), (48, 32, 32, 16, 16)), ("fixed", NoSaliency(), (16,) * 5)],
    ids=["kaleido", "fixed"],
)
def test_features_are_those_of_the_extractor(grid, saliency, sizes):
    extractor = FeatureExtractor(RandomProjection(), saliency, sizes, workers=1, grid=grid)
    data = [FILES[name] for name in ("plain.jpg", "turned 6.PNG", "clear.png")]
    # Compiled: every operation by itself would take many times as long.
    read = tf.function(
        photo_reader(extractor, raw_positions=False), [tf.TensorSpec((None,), tf.string)], autograph=False
    )
    found = read(tf.constant(data))
    from kaleido.records.corruption import clean_photos
    from kaleido.records.reader import PhotoView

    results = list(extractor.extract([(str(n), lambda one=one: one) for n, one in enumerate(data)]))
    wanted = clean_photos([PhotoView(result.features, result.positions) for result in results])
    for name in [*(f"level{level}" for level in LEVELS), "positions"]:
        np.testing.assert_allclose(found[name], wanted[name], atol=2e-3, rtol=0, err_msg=name)
    none = read(tf.constant([], tf.string))
    assert none["level5"].shape == (0, 25, 64)


WORDS = ["red", "dress", "##s", "t", "é", "ß", "中", "##c", "!", "1", "##1", "한", "i", "##i", "σ", "##σ", "##ς", "'"]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY += dict.fromkeys([*WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)])
TEXTS = [
    f"{colour} {name} número {i}, ＡＢＣ 中文"
    for i in range(30)
    for colour in ("red", "blue")
    for name in ("hat", "bag")
]
ODD = st.text(
    st.sampled_from("aAbcé ßẞİıſΣςσ\u0301\u0327\u00ad\u200b\ufeff\u3000\xa0\t\n\0\x85\u2028中한ｱ!?-[]CLSEP▁|∀")
)


@pytest.fixture(scope="module")
def tokenizers():
    pytest.importorskip("tensorflow_text")
    from kaleido.pretrained.graph.texts import TextReader

    made = []
    for tokenizer in (WordPieceTokenizer(VOCABULARY), SentencePieceTokenizer.train(iter(TEXTS), 120)):
        reader = TextReader(tokenizer, 24)
        run = tf.function(reader, [tf.TensorSpec((None,), tf.string)], autograph=False)
        made.append((tokenizer, reader, run))
    return made


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(ODD, st.text(max_size=40), st.sampled_from([*TEXTS, "a" * 100, "a" * 101 + " é" * 9])), min_size=1
    )
)
def test_texts_are_tokenized_as_in_python(tokenizers, texts):
    for tokenizer, _, run in tokenizers:
        found, wanted = run(tf.constant([text.encode() for text in texts])), text_batch(tokenizer, texts, 24)
        width = found["token_ids"].shape[1]
        np.testing.assert_array_equal(found["token_ids"], wanted.token_ids[:, :width])
        np.testing.assert_array_equal(found["token_mask"], wanted.token_mask[:, :width])
        assert not wanted.token_mask[:, width:].any()
