"""Tokens of texts in operations of TensorFlow and tensorflow-text."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kaleido.errors import UserError
from kaleido.text import SentencePieceTokenizer, Tokenizer, WordPieceTokenizer

_CODES = 0x110000
_SURROGATES = range(0xD800, 0xE000)
_BETWEEN = "|∀"
"""Characters of two blocks that no other character becomes."""

_AT_ONCE = 4096
_LONGEST_WORD = 100
"""Characters of the longest word that WordPiece reads; longer ones are unknown."""


class TextReader(tf.Module):
    """Tokenizes texts as `kaleido.text.batch` does. A SavedModel that uses it keeps it, with the vocabulary.

    Args:
        tokenizer: The model's tokenizer.
        length: Most positions of a text, [CLS] and [SEP] included; longer texts are cut.

    Raises:
        ModuleNotFoundError: if tensorflow-text is not installed.
        UserError: if the tokenizer is none of Kaleido's.
    """

    def __init__(self, tokenizer: Tokenizer, length: int):
        super().__init__()
        self._length = length
        self._ids = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
        self._tokens = _tokens(tokenizer)

    def __call__(self, texts: Any) -> dict[str, Any]:
        """Tokenizes texts, string [n] in UTF-8: `token_ids` and `token_mask`, int32 [n, T]."""
        cls, sep, pad = self._ids
        tokens = self._tokens(texts)[:, : self._length - 2]
        edge = tf.ones([tf.size(texts), 1], tf.int32)
        tokens = tf.concat([cls * edge, tokens, sep * edge], 1)
        mask = tf.sequence_mask(tokens.row_lengths(), dtype=tf.int32)
        return {"token_ids": tokens.to_tensor(pad), "token_mask": mask}


def _tokens(tokenizer: Tokenizer) -> Callable[[Any], Any]:
    """Makes the function from texts to their tokens, a ragged int32 [n, ...]."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return _SentencePiece(tokenizer)
    if isinstance(tokenizer, WordPieceTokenizer):
        return _WordPiece(tokenizer)
    raise UserError(f"the tokenizer {type(tokenizer).__name__} runs in Python alone")


class _SentencePiece(tf.Module):
    def __init__(self, tokenizer: SentencePieceTokenizer):
        import tensorflow_text

        super().__init__()
        self._tokenizer = tensorflow_text.SentencepieceTokenizer(model=tokenizer.model, out_type=tf.int32)

    def __call__(self, texts: Any) -> Any:
        return self._tokenizer.tokenize(texts)


class _WordPiece(tf.Module):
    """Replaces each character by what BERT's normalisation makes of it, then splits at spaces and into word pieces.

    tensorflow-text normalises otherwise than `tokenizers`: it folds case, so that ß becomes ss.
    """

    def __init__(self, tokenizer: WordPieceTokenizer):
        import tensorflow_text

        super().__init__()
        values, ends = _normalised_characters(tokenizer)
        # Variables, which a SavedModel stores once, and constants once for each signature.
        self._values, self._ends = tf.Variable(values, trainable=False), tf.Variable(ends, trainable=False)
        self._pieces = tensorflow_text.FastWordpieceTokenizer(
            vocab=tokenizer.vocabulary,
            unknown_token=tokenizer.token(tokenizer.unk_id),
            max_bytes_per_word=4 * _LONGEST_WORD,
            token_out_type=tf.int32,
            no_pretokenization=True,
        )
        self._unknown = tokenizer.token(tokenizer.unk_id)

    def __call__(self, texts: Any) -> Any:
        table = tf.RaggedTensor.from_row_splits(self._values, tf.cast(self._ends, tf.int64), validate=False)
        characters = tf.strings.unicode_decode(texts, "UTF-8")
        spaced = tf.strings.unicode_encode(tf.gather(table, characters).merge_dims(1, 2), "UTF-8")
        words = tf.strings.split(spaced)
        long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > _LONGEST_WORD
        words = words.with_flat_values(tf.where(long, self._unknown, words.flat_values))
        return self._pieces.tokenize(words).merge_dims(1, 2)


def _normalised_characters(tokenizer: WordPieceTokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Lists what each character becomes, with spaces where words are split: code points int32, and their row splits."""
    every = [_spaced(tokenizer, range(start, start + _AT_ONCE)) for start in range(0, _CODES, _AT_ONCE)]
    ends = np.cumsum([0, *(len(text) for block in every for text in block)], dtype=np.int32)
    return np.frombuffer("".join(map("".join, every)).encode("utf-32-le"), np.int32), ends


def _spaced(tokenizer: WordPieceTokenizer, codes: range) -> Sequence[str]:
    """Says what some characters become. Many at once: a call for each takes many times as long."""
    known = [chr(code) for code in codes if code not in _SURROGATES]
    between = next(character for character in _BETWEEN if character not in known)
    found = tokenizer.normalise(between.join(known)).split(between)
    characters = set("".join(found))
    # What is between two letters becomes a word of its own, or is lost, where words are split.
    words = tokenizer.split("a" + "a".join(characters) + "a")
    splits = {word for word in words if len(word) == 1 and word != "a"} | (characters - set("".join(words)))
    becomes = dict(zip(known, found, strict=True))
    return ["".join(f" {c} " if c in splits else c for c in becomes.get(chr(code), "")) for code in codes]
