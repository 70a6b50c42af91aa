"""WordPiece over a `vocab.txt`, as BERT uncased reads text."""

from pathlib import Path

import numpy as np
import tokenizers

from kaleido.errors import UserError
from kaleido.text.tokenizer import CLS, MASK, PAD, SEP, UNK, Encoding, Tokenizer

VOCABULARY_FILE = "vocab.txt"


class WordPieceTokenizer(Tokenizer):
    """BERT's uncased tokenizer.

    Args:
        vocabulary: Pieces in the order of their ids; must hold [PAD], [UNK], [CLS], [SEP] and [MASK].
    """

    def __init__(self, vocabulary: list[str]):
        ids = {piece: number for number, piece in enumerate(vocabulary)}
        missing = [piece for piece in (PAD, UNK, CLS, SEP, MASK) if piece not in ids]
        if missing:
            raise UserError(f"a WordPiece vocabulary needs the pieces {', '.join(missing)}: add a line for each")
        if len(ids) != len(vocabulary):
            raise UserError("a WordPiece vocabulary holds a piece twice: every line must be another piece")
        self._vocabulary = list(vocabulary)
        self.vocab_size = len(vocabulary)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[p] for p in (PAD, UNK, CLS, SEP, MASK))
        self._tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token=UNK))
        self._tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        self._tokenizer.decoder = tokenizers.decoders.WordPiece()

    @classmethod
    def load(cls, path: Path) -> "WordPieceTokenizer":
        """Reads a `vocab.txt`, one piece a line, UTF-8."""
        try:
            return cls(path.read_text(encoding="utf-8").splitlines())
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not a WordPiece vocabulary: byte {error.start} is not UTF-8") from None
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def encode(self, text: str) -> Encoding:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Encoding(np.array(encoding.ids, np.int32), np.array(encoding.word_ids, np.int32))

    def decode(self, ids) -> str:
        special = set(self.special_ids)
        return self._tokenizer.decode([int(i) for i in ids if int(i) not in special])

    def piece(self, id: int) -> str:
        return self._vocabulary[id]

    def save(self, directory: Path) -> Path:
        path = Path(directory) / VOCABULARY_FILE
        path.write_text("".join(f"{piece}\n" for piece in self._vocabulary), encoding="utf-8")
        return path
