"""Computes Bleu, METEOR, ROUGE-L and CIDEr with `pycocoevalcap` (the paper's task FC).

The PTB tokenizer and METEOR are Java programs, and made for English. Without a Java runtime a plain tokenizer replaces
the PTB tokenizer, and METEOR is not computed. Texts in other languages are divided into words as Unicode has them, or
into characters where the script puts no spaces between words, and METEOR does not apply.
"""

import math
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor import meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer import ptbtokenizer

from kaleido.programs import Lines, ProgramFailed, output_of, program
from kaleido.progress import tqdm

PTB, PLAIN, WORDS, CHARACTERS = "PTB", "plain", "words", "characters"

AUTO, ENGLISH = "auto", "en"

WITHOUT_SPACES = ("zh", "ja", "th", "lo", "km", "my")
"""Languages whose words have no spaces between them: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""

_SCRIPTS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
"""Letters of the scripts of these languages."""

_JAVA = ["java", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US"]
"""The locale is fixed, because METEOR writes numbers in the system's locale and cannot read a decimal comma."""

SECONDS, SECONDS_OF_TEXT = 120.0, 0.1
"""Time that a Java program may take, and more of it for each text; it needs a hundredth."""

_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """Similarity of captions to their references; in 0..1, CIDEr in 0..10.

    Attributes:
        bleu: Bleu-1 to Bleu-4 of the corpus.
        meteor: METEOR of the corpus; None without a working Java runtime, and in other languages than English.
        rouge_l: Mean ROUGE-L over the captions.
        cider: Mean CIDEr over the captions; words are weighted by their rarity among the references, so that it is 0
            for a single photo.
        tokenizer: Tokenizer of the texts: `PTB` or, without Java, `plain` for English; else `words` or `characters`.
        language: Language of the texts.
    """

    bleu: tuple[float, float, float, float]
    meteor: float | None
    rouge_l: float
    cider: float
    tokenizer: str
    language: str = ENGLISH

    @property
    def sum_cap(self) -> float | None:
        """Returns SumCAP, the sum of Bleu-4, METEOR, ROUGE-L and CIDEr in percent; None without METEOR."""
        return None if self.meteor is None else 100 * (self.bleu[3] + self.meteor + self.rouge_l + self.cider)


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]], language: str = AUTO) -> CaptionScores:
    """Scores captions against their references.

    Args:
        captions: Captions, one per photo; at least one.
        references: References of each caption; at least one per caption.
        language: Language of the texts, such as `en` or `zh`; `auto` takes Chinese where most letters of the references
            are of a script without spaces, and English otherwise.
    """
    if not len(captions) or len(captions) != len(references):
        raise ValueError(
            f"needs at least one caption, and one list of references per caption. Received: {len(captions)}"
        )
    counts = [len(of_photo) for of_photo in references]
    if language == AUTO:
        language = _guessed_language([text for of_photo in references for text in of_photo])
    texts, tokenizer = tokenize([*captions, *(text for of_photo in references for text in of_photo)], language)
    words = iter(texts[len(captions) :])
    found = {number: [text] for number, text in enumerate(texts[: len(captions)])}
    wanted = {number: [next(words) for _ in range(count)] for number, count in enumerate(counts)}
    bleu, _ = Bleu(4).compute_score(wanted, found, verbose=0)
    return CaptionScores(
        bleu=tuple(map(float, bleu)),
        meteor=_meteor(wanted, found) if tokenizer == PTB else None,
        rouge_l=float(Rouge().compute_score(wanted, found)[0]),
        cider=float(Cider().compute_score(wanted, found)[0]),
        tokenizer=tokenizer,
        language=language,
    )


def tokenize(texts: Sequence[str], language: str = ENGLISH) -> tuple[list[str], str]:
    """Tokenizes texts to lower-case tokens joined by blanks, and names the tokenizer, as `CaptionScores` lists them."""
    lines = [" ".join(text.split()) for text in texts]
    if language != ENGLISH:
        by_character = _base_language(language) in WITHOUT_SPACES
        pattern = _characters() if by_character else _words()
        normalized = (unicodedata.normalize("NFKC", line).lower() for line in lines)
        return [" ".join(pattern.findall(line)) for line in normalized], CHARACTERS if by_character else WORDS
    if shutil.which("java"):
        try:
            return [_without_punctuation(line.split()) for line in _ptb(lines)], PTB
        except ProgramFailed as error:
            tqdm.write(
                f"warning: Java is installed and its PTB tokenizer does not work ({error}); a plain tokenizer replaces "
                "it, and METEOR is not computed"
            )
    return [" ".join(_WORD.findall(line.lower())) for line in lines], PLAIN


def _base_language(language: str) -> str:
    return re.split("[-_]", language.lower())[0]


def _guessed_language(texts: Sequence[str]) -> str:
    letters = "".join(texts)
    found = len(_SCRIPTS.findall(letters))
    return "zh" if found * 2 > sum(map(str.isalpha, letters)) else ENGLISH


@cache
def _marks() -> str:
    """Characters that belong to the letter before them, such as the vowel signs of Hindi."""
    places = range(0x300, sys.maxunicode)
    return "".join(chr(place) for place in places if unicodedata.category(chr(place)).startswith("M"))


@cache
def _words() -> re.Pattern:
    letter = f"(?:[^\\W_]|[{re.escape(_marks())}])"
    return re.compile(f"{letter}+(?:[-'’.]{letter}+)*")


@cache
def _characters() -> re.Pattern:
    """Single characters with their marks, but words and numbers in Latin letters whole."""
    return re.compile(f"[a-z0-9\u00df-\u024f]+|[^\\W_][{re.escape(_marks())}]*")


def _ptb(lines: list[str]) -> list[str]:
    """Runs the PTB tokenizer of `pycocoevalcap`, without its files in the package folder and with UTF-8 texts."""
    jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    command = [*_JAVA, "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer"]
    command += ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    with tempfile.TemporaryFile() as given:
        # The tokenizer drops empty lines at the end of its input, so a word is appended.
        given.write("\n".join([*lines, "end"]).encode())
        most = 10 * given.tell() + (1 << 20)
        given.seek(0)
        output = output_of(command, given, SECONDS + SECONDS_OF_TEXT * len(lines), most)
    tokenized = output.decode(errors="replace").split("\n")
    if tokenized[len(lines) :] not in (["end"], ["end", ""]):
        raise ProgramFailed("other output than one line a text")
    return tokenized[: len(lines)]


def _without_punctuation(words: list[str]) -> str:
    return " ".join(word for word in words if word not in ptbtokenizer.PUNCTUATIONS)


class _Meteor(meteor.Meteor):
    """METEOR by a program that is started and ended elsewhere."""

    def __init__(self, process: subprocess.Popen[bytes]):
        assert process.stdin and process.stdout
        self.meteor_p = SimpleNamespace(stdin=process.stdin, stdout=Lines(process.stdout))
        self.lock = threading.Lock()

    def __del__(self):
        pass  # The base class would wait for the lock, which stays locked after an error.


def _meteor(references: dict[int, list[str]], captions: dict[int, list[str]]) -> float | None:
    # The locale is fixed, and stderr is discarded, because a full pipe would block the program.
    jar = Path(meteor.__file__).with_name(meteor.METEOR_JAR)
    command = [*_JAVA, "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    seconds = SECONDS + SECONDS_OF_TEXT * len(captions)
    try:
        with program(command, seconds, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            score = float(_Meteor(process).compute_score(references, captions)[0])
            if not (math.isfinite(score) and 0 <= score <= 1):
                raise ProgramFailed(f"a score of {score}")
            return score
    except ProgramFailed as error:  # too little memory, or too old a version
        tqdm.write(f"warning: Java is installed and METEOR does not work ({error}); it is not computed")
        return None
