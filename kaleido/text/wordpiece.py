"""WordPiece tokenizer with a `vocab.txt`, as in uncased BERT."""

from pathlib import Path

import numpy as np
import tokenizers

from kaleido.errors import UserError
from kaleido.text.tokenizer import SPECIAL, UNK, Encoding, Tokenizer
from kaleido.untrusted import read_plain

VOCABULARY_FILE = "vocab.txt"


class WordPieceTokenizer(Tokenizer):
    """Tokenizer of uncased BERT.

    Args:
        vocabulary: Tokens in the order of their ids; must contain [PAD], [UNK], [CLS], [SEP] and [MASK].

    Attributes:
        vocabulary: The tokens.
    """

    def __init__(self, vocabulary: list[str]):
        ids = {token: number for number, token in enumerate(vocabulary)}
        if missing := [token for token in SPECIAL if token not in ids]:
            raise UserError(f"a WordPiece vocabulary needs the tokens {', '.join(missing)}: add a line for each")
        if len(ids) != len(vocabulary):
            raise UserError("a WordPiece vocabulary holds a token twice: every line must be another token")
        self.vocabulary = list(vocabulary)
        self.vocab_size = len(vocabulary)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (ids[token] for token in SPECIAL)
        self._tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token=UNK))
        self._tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        self._tokenizer.decoder = tokenizers.decoders.WordPiece()

    @classmethod
    def load(cls, path: Path) -> "WordPieceTokenizer":
        """Reads a `vocab.txt`: UTF-8, one token a line."""
        data = read_plain(path)
        try:
            return cls(data.decode().splitlines())
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not a WordPiece vocabulary: byte {error.start} is not UTF-8") from None
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    def encode(self, text: str) -> Encoding:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Encoding(np.array(encoding.ids, np.int32), np.array(encoding.word_ids, np.int32))

    def normalise(self, text: str) -> str:
        """Lower-cases a text, and drops accents and control characters."""
        return self._tokenizer.normalizer.normalize_str(text)

    def split(self, text: str) -> list[str]:
        """Splits a normalised text at spaces and around punctuation."""
        return [word for word, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(text)]

    def _join(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids)

    def token(self, id: int) -> str:
        return self.vocabulary[id]

    def save(self, directory: Path) -> Path:
        path = Path(directory) / VOCABULARY_FILE
        path.write_text("".join(f"{token}\n" for token in self.vocabulary), encoding="utf-8")
        return path
