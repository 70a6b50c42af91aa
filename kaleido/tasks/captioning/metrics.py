"""Bleu, METEOR, ROUGE-L and CIDEr (paper section 4.2, FC), by `pycocoevalcap`.

Its tokenizer and its METEOR are Java programs. Without a Java runtime a plain tokenizer of ours stands in for the
first, and there is no METEOR.
"""

import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor import meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer import ptbtokenizer

PTB, PLAIN = "PTB", "plain"

_JAVA = ["java", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US"]
"""METEOR writes numbers as the locale has them and cannot read a decimal comma itself."""

_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """How close captions are to their references; shares, CIDEr in 0..10.

    Attributes:
        bleu: Bleu-1 to Bleu-4, of the corpus.
        meteor: Of the corpus; None without a Java runtime that runs it.
        rouge_l: Mean over the captions.
        cider: Mean over the captions; words count by how rare they are among the references, so with one photo it is 0.
        tokenizer: `PTB` or `plain`.
    """

    bleu: tuple[float, float, float, float]
    meteor: float | None
    rouge_l: float
    cider: float
    tokenizer: str

    @property
    def sum_cap(self) -> float | None:
        """The paper's SumCAP: Bleu-4, METEOR, ROUGE-L and CIDEr in percent, added; None without METEOR."""
        return None if self.meteor is None else 100 * (self.bleu[3] + self.meteor + self.rouge_l + self.cider)


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Compares captions with what was written by people.

    Args:
        captions: One a photo, at least one.
        references: Of each at least one.
    """
    if not len(captions) or len(captions) != len(references):
        raise ValueError(f"one list of references a caption, and at least one. Received: {len(captions)}")
    counts = [len(of_photo) for of_photo in references]
    texts, tokenizer = tokenize([*captions, *(text for of_photo in references for text in of_photo)])
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
    )


def tokenize(texts: Sequence[str]) -> tuple[list[str], str]:
    """Lower-cased words joined by blanks, without punctuation; and the tokenizer: `PTB`, or `plain` without Java."""
    lines = [" ".join(text.split()) for text in texts]
    if shutil.which("java"):
        try:
            return [_without_punctuation(line.split()) for line in _ptb(lines)], PTB
        except subprocess.CalledProcessError:  # a Java that does not run
            pass
    return [" ".join(_WORD.findall(line.lower())) for line in lines], PLAIN


def _ptb(lines: list[str]) -> list[str]:
    """Tokenizes as `pycocoevalcap` does, which would write into its own folder, in the locale's character set."""
    jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    command = [*_JAVA, "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer"]
    command += ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    # A last word keeps the lines before it from being empty at the end, where they would be lost.
    done = subprocess.run(command, input="\n".join([*lines, "end"]).encode(), capture_output=True, check=True)
    tokenized = done.stdout.decode().split("\n")
    return tokenized[: len(lines)]


def _without_punctuation(words: list[str]) -> str:
    return " ".join(word for word in words if word not in ptbtokenizer.PUNCTUATIONS)


class _Meteor(meteor.Meteor):
    """In the locale that it needs, its complaints thrown away: nobody reads them, and a full pipe would stop it."""

    def __init__(self):
        jar = Path(meteor.__file__).with_name(meteor.METEOR_JAR)
        command = [*_JAVA, "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
        pipe = subprocess.PIPE
        self.meteor_p = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.lock = threading.Lock()


def _meteor(references: dict[int, list[str]], captions: dict[int, list[str]]) -> float | None:
    program = _Meteor()
    try:
        return float(program.compute_score(references, captions)[0])
    except (OSError, ValueError):  # it did not start, or died: too little memory, a Java that is too old
        return None
    finally:
        # Left locked by an error, it would wait for itself for ever when it is thrown away.
        if program.lock.locked():
            program.lock.release()
