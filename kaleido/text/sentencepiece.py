"""SentencePiece tokenizer, trained on a catalogue's texts in any language.

The WordPiece trainer of `tokenizers` breaks ties by hash order, so the same texts give another vocabulary at every
run; SentencePiece on one thread does not.
"""

import io
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import sentencepiece

from kaleido.errors import UserError
from kaleido.text.tokenizer import CLS, MASK, PAD, SEP, SPECIAL, UNK, Encoding, Tokenizer
from kaleido.untrusted import read_plain

MODEL_FILE = "sentencepiece.model"
SPACE = "▁"


class SentencePieceTokenizer(Tokenizer):
    """Tokenizer of a SentencePiece model that defines [MASK] as a control symbol.

    Args:
        model: The serialised model.

    Attributes:
        model: The serialised model.
    """

    def __init__(self, model: bytes):
        try:
            if not model:  # for sentencepiece, one that is given later
                raise RuntimeError
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError:
            raise UserError("not a SentencePiece model: the file is damaged or of another kind") from None
        self.model = model
        tokens = [self._processor.id_to_piece(id) for id in range(self._processor.get_piece_size())]
        self.vocab_size = len(tokens)
        if missing := [token for token in SPECIAL if token not in tokens]:
            raise UserError(
                f"the SentencePiece model lacks the tokens {', '.join(missing)}: train it with pad, unk, bos, eos and "
                "a control symbol of these names"
            )
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (tokens.index(token) for token in SPECIAL)
        self._starts_word = np.array([_starts_word(token) for token in tokens])
        self._is_punctuation = np.array([_is_punctuation(token) for token in tokens])

    @classmethod
    def load(cls, path: Path) -> "SentencePieceTokenizer":
        """Reads a `.model` file."""
        data = read_plain(path)
        try:
            return cls(data)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int) -> "SentencePieceTokenizer":
        """Trains a lower-cased byte-pair vocabulary; the same texts in the same order give the same model.

        Args:
            texts: Texts to train on.
            vocabulary_size: Most tokens; short texts give fewer.

        Raises:
            UserError: if the texts are empty or the size leaves no room for their characters.
        """
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type="bpe",
                vocab_size=vocabulary_size,
                hard_vocab_limit=False,
                character_coverage=0.9999,
                normalization_rule_name="nmt_nfkc_cf",
                pad_id=0,
                unk_id=1,
                bos_id=2,
                eos_id=3,
                pad_piece=PAD,
                unk_piece=UNK,
                bos_piece=CLS,
                eos_piece=SEP,
                control_symbols=[MASK],
                num_threads=1,
                minloglevel=3,
            )
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"no vocabulary could be trained on the catalogue's texts: give more text or another "
                f"vocabulary_size. Received: {vocabulary_size} ({reason})"
            ) from None
        return cls(model.getvalue())

    def encode(self, text: str) -> Encoding:
        ids = np.array(self._processor.encode(text), np.int32)
        if not ids.size:
            return Encoding(ids, ids.copy())
        starts = self._starts_word[ids]
        starts[1:] |= self._is_punctuation[ids[:-1]]
        starts[0] = False
        return Encoding(ids, np.cumsum(starts, dtype=np.int32))

    def _join(self, ids: list[int]) -> str:
        return self._processor.decode(ids)

    def token(self, id: int) -> str:
        return self._processor.id_to_piece(id)

    def save(self, directory: Path) -> Path:
        path = Path(directory) / MODEL_FILE
        path.write_bytes(self.model)
        return path


def _starts_word(token: str) -> bool:
    # In scripts without spaces every token counts as a word; otherwise whole-word masking would mask a whole sentence.
    return token.startswith(SPACE) or _is_punctuation(token) or unicodedata.east_asian_width(token[0]) in "WF"


def _is_punctuation(token: str) -> bool:
    return token != SPACE and not any(character.isalnum() or character == SPACE for character in token)
