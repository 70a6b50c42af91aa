"""Loading and training of the tokenizer that a configuration names."""

from collections.abc import Iterable
from pathlib import Path

from kaleido.errors import UserError
from kaleido.text.sentencepiece import MODEL_FILE, SentencePieceTokenizer
from kaleido.text.tokenizer import Tokenizer
from kaleido.text.wordpiece import VOCABULARY_FILE, WordPieceTokenizer

CATALOG = "catalog"
VOCABULARY_FILES = (MODEL_FILE, VOCABULARY_FILE)
"""Names of vocabularies in the folders of models and records."""


def create_tokenizer(spec: str, texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Trains a tokenizer on a catalogue's texts, or loads one.

    Args:
        spec: `catalog` to train one, or the path of a `vocab.txt`, a SentencePiece `.model`, or a folder with either.
        texts: Texts to train on; not read if a tokenizer is loaded.
        vocabulary_size: Most tokens of a trained vocabulary.
    """
    if spec == CATALOG:
        return SentencePieceTokenizer.train(texts, vocabulary_size)
    return load_tokenizer(Path(spec))


def load_tokenizer(path: Path) -> Tokenizer:
    """Loads a tokenizer from a vocabulary file or from a folder of a model, of records or of a BERT.

    Raises:
        UserError: if there is none.
    """
    path = Path(path)
    candidates = [path / name for name in VOCABULARY_FILES] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            loader = SentencePieceTokenizer if candidate.suffix == ".model" else WordPieceTokenizer
            return loader.load(candidate)
    raise UserError(
        f"no vocabulary: {' or '.join(str(c) for c in candidates)} does not exist; name a vocab.txt, a SentencePiece "
        f"model, a folder with either, or `{CATALOG}` to train one"
    )
