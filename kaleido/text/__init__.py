"""Tokenizers with word spans: WordPiece for BERT's vocabularies, SentencePiece for a catalogue's own."""

from kaleido.text.create import VOCABULARY_FILES, create_tokenizer, load_tokenizer
from kaleido.text.sentencepiece import SentencePieceTokenizer
from kaleido.text.tokenizer import Encoding, Tokenizer
from kaleido.text.wordpiece import WordPieceTokenizer

__all__ = [
    "VOCABULARY_FILES",
    "Encoding",
    "SentencePieceTokenizer",
    "Tokenizer",
    "WordPieceTokenizer",
    "create_tokenizer",
    "load_tokenizer",
]
