"""SentencePiece: the vocabulary that a catalogue trains for itself, in any language.

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
from kaleido.text.tokenizer import CLS, MASK, PAD, SEP, UNK, Encoding, Tokenizer

MODEL_FILE = "sentencepiece.model"
SPACE = "▁"


class SentencePieceTokenizer(Tokenizer):
    """Pieces of a SentencePiece model that defines [MASK] as a control symbol.

    Args:
        model: The serialised model.
    """

    def __init__(self, model: bytes):
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError:
            raise UserError("not a SentencePiece model: the file is damaged or of another kind") from None
        self._model = model
        self.vocab_size = self._processor.get_piece_size()
        special = (PAD, UNK, CLS, SEP, MASK)
        ids = {piece: self._processor.piece_to_id(piece) for piece in special}
        missing = [p for p in special if self._processor.id_to_piece(ids[p]) != p]
        if missing:
            raise UserError(
                f"the SentencePiece model lacks the pieces {', '.join(missing)}: train it with pad, unk, bos, eos and "
                "a control symbol of these names"
            )
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[piece] for piece in special)
        pieces = [self._processor.id_to_piece(i) for i in range(self.vocab_size)]
        self._starts_word = np.array([_starts_word(piece) for piece in pieces])
        self._is_punctuation = np.array([_is_punctuation(piece) for piece in pieces])

    @classmethod
    def load(cls, path: Path) -> "SentencePieceTokenizer":
        """Reads a `.model` file."""
        try:
            return cls(path.read_bytes())
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int) -> "SentencePieceTokenizer":
        """Trains a lower-cased byte-pair vocabulary; the same texts in the same order give the same model.

        Args:
            texts: One text an item.
            vocabulary_size: At most so many pieces; fewer where the texts hold no more.

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

    def decode(self, ids) -> str:
        special = set(self.special_ids)
        return self._processor.decode([int(i) for i in ids if int(i) not in special])

    def piece(self, id: int) -> str:
        return self._processor.id_to_piece(id)

    def save(self, directory: Path) -> Path:
        path = Path(directory) / MODEL_FILE
        path.write_bytes(self._model)
        return path


def _starts_word(piece: str) -> bool:
    # Scripts written without spaces have no word marks: there every piece is a word, lest one mask hide a sentence.
    return piece.startswith(SPACE) or _is_punctuation(piece) or unicodedata.east_asian_width(piece[0]) in "WF"


def _is_punctuation(piece: str) -> bool:
    return piece != SPACE and not any(character.isalnum() or character == SPACE for character in piece)
