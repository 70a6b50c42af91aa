import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.errors import UserError
from kaleido.text import SentencePieceTokenizer, WordPieceTokenizer, create_tokenizer, load_tokenizer

TEXTS = [
    "Navy striped crew-neck t-shirt.",
    "A red cotton shirt with long sleeves, two pockets.",
    "Black leather boots",
    "红色 连衣裙 长袖",
]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "shirt", "##s", ",", "-", "crew", "neck", "boot"]

WORDPIECE = WordPieceTokenizer(VOCABULARY)
SENTENCEPIECE = SentencePieceTokenizer.train(TEXTS, 200)


@pytest.mark.parametrize("tokenizer", [WORDPIECE, SENTENCEPIECE], ids=["wordpiece", "sentencepiece"])
@given(text=st.text(max_size=80))
@settings(max_examples=60)
def test_encoding_is_well_formed(tokenizer, text):
    ids, word_ids = tokenizer.encode(text)
    assert ids.dtype == word_ids.dtype == np.int32 and ids.shape == word_ids.shape
    assert ((ids >= 0) & (ids < tokenizer.vocab_size)).all()
    assert not np.isin(ids, [tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id]).any()
    if ids.size:
        assert word_ids[0] == 0 and set(np.diff(word_ids)) <= {0, 1}


@pytest.mark.parametrize("tokenizer", [WORDPIECE, SENTENCEPIECE], ids=["wordpiece", "sentencepiece"])
def test_saved_and_loaded_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    for text in TEXTS:
        np.testing.assert_array_equal(loaded.encode(text).ids, tokenizer.encode(text).ids)


def test_wordpiece_words():
    ids, word_ids = WORDPIECE.encode("Red shirts, crew-neck BOOTS")
    assert [WORDPIECE.token(i) for i in ids] == ["red", "shirt", "##s", ",", "crew", "-", "neck", "boot", "##s"]
    assert word_ids.tolist() == [0, 1, 1, 2, 3, 4, 5, 6, 6]
    assert WORDPIECE.decode(ids[:3]) == "red shirts"


def test_sentencepiece_words_are_cut_at_spaces_punctuation_and_wide_characters():
    ids, word_ids = SENTENCEPIECE.encode("red t-shirt, 红色")
    words = {}
    for token, word in zip((SENTENCEPIECE.token(i) for i in ids), word_ids, strict=True):
        words[int(word)] = words.get(int(word), "") + token
    assert [word.strip("▁") for word in words.values() if word.strip("▁")][:5] == ["red", "t", "-", "shirt", ","]
    assert len(words) > 5


def test_training_is_repeatable_and_lower_cases(tmp_path):
    again = create_tokenizer("catalog", iter(TEXTS), 200)
    assert again.save(tmp_path).read_bytes() == SENTENCEPIECE.model
    np.testing.assert_array_equal(again.encode("NAVY").ids, again.encode("navy").ids)
    assert again.decode(again.encode("Black leather boots").ids) == "black leather boots"


def test_empty_text():
    assert SENTENCEPIECE.encode("").ids.size == 0 and WORDPIECE.encode("").word_ids.size == 0


@pytest.mark.parametrize("content", [b"[PAD]\nred\n", b"\xff\xfe\x00"], ids=["no special tokens", "not UTF-8"])
def test_broken_vocabulary_is_a_user_error(tmp_path, content):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"vocab\.txt"):
        load_tokenizer(path)


def test_broken_model_and_missing_path(tmp_path):
    (tmp_path / "sentencepiece.model").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="damaged"):
        load_tokenizer(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        load_tokenizer(tmp_path / "nowhere")
    with pytest.raises(UserError, match="vocabulary_size"):
        create_tokenizer("catalog", iter([]), 100)
