import numpy as np
import pytest

from kaleido.text import SentencePieceTokenizer
from kaleido.text.batch import text_batch


@pytest.fixture(scope="module")
def tokenizer():
    return SentencePieceTokenizer.train((f"red shirt number {i}" for i in range(50)), 60)


def test_texts_stand_between_cls_and_sep_and_long_ones_are_cut(tokenizer):
    texts = ["red shirt", "", "red " * 40]
    found = text_batch(tokenizer, texts, 12)
    assert found.token_ids.dtype == found.token_mask.dtype == np.int32
    assert found.token_ids.shape == found.token_mask.shape == (3, 12)
    assert found.cut.tolist() == [False, False, True]
    for text, ids, mask in zip(texts, found.token_ids, found.token_mask):
        tokens = tokenizer.encode(text).ids[:10].tolist()
        assert ids[mask == 1].tolist() == [tokenizer.cls_id, *tokens, tokenizer.sep_id]
        assert (np.diff(mask) <= 0).all() and (ids[mask == 0] == tokenizer.pad_id).all()


def test_positions_are_a_multiple_of_8_within_the_limit(tokenizer):
    assert text_batch(tokenizer, [""], 64).token_ids.shape == (1, 8)
    long = "red " * 9
    count = len(tokenizer.encode(long).ids)
    assert text_batch(tokenizer, [long], 64).token_ids.shape == (1, -(-(count + 2) // 8) * 8)
    fitting = text_batch(tokenizer, [long], count + 2)
    assert fitting.token_ids.shape == (1, count + 2) and not fitting.cut.any()
    assert text_batch(tokenizer, [long], count + 1).cut.all()
