import shutil

import numpy as np
import pytest

from kaleido.errors import UserError
from kaleido.tasks.captioning import metrics
from kaleido.tasks.captioning.config import CaptionConfig
from kaleido.tasks.captioning.metrics import CHARACTERS, PLAIN, PTB, WORDS, caption_scores, tokenize
from kaleido.tasks.captioning.report import caption_table

with_java = pytest.mark.skipif(shutil.which("java") is None, reason="needs a Java runtime")

CAPTIONS = ["a red dress.", "blue jeans in cotton", "green hat"]
REFERENCES = [["A red dress", "a long red gown"], ["Blue jeans, in denim"], ["a warm green hat with a brim"]]


@pytest.fixture
def no_java(monkeypatch):
    monkeypatch.setenv("PATH", "")


def test_without_java_a_plain_tokenizer_and_no_meteor(no_java):
    texts, tokenizer = tokenize(["A RED\u2028dress, long-sleeved: it's 100% Cotton!", ""])
    assert (texts, tokenizer) == (["a red dress long-sleeved it's 100 cotton", ""], PLAIN)
    scores = caption_scores(CAPTIONS, REFERENCES)
    assert scores.tokenizer == PLAIN
    assert scores.meteor is None
    assert scores.sum_cap is None
    # 3 of 3, 3 of 4 and 2 of 2 words; 9 words against references of 3, 4 and 7.
    assert scores.bleu[0] == pytest.approx(8 / 9 * np.exp(1 - 14 / 9), rel=1e-6)

    def rouge(common, said, written):
        precision, recall = common / said, common / written
        return (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)

    assert scores.rouge_l == pytest.approx(np.mean([1, rouge(3, 4, 4), rouge(2, 2, 7)]))
    assert 0 < scores.cider < 10


def test_every_reference_counts(no_java):
    one = caption_scores(["a long gown", "a hat"], [["a red dress"], ["a hat"]])
    both = caption_scores(["a long gown", "a hat"], [["a red dress", "a long gown"], ["a hat"]])
    assert both.bleu[0] == pytest.approx(1) and one.bleu[0] < 0.7
    assert both.rouge_l == pytest.approx(1) and one.rouge_l < 0.8
    assert both.cider > one.cider


def test_a_java_that_does_not_run(tmp_path, monkeypatch):
    _put_java(tmp_path, monkeypatch, "exit 1")
    scores = caption_scores(CAPTIONS, REFERENCES)
    assert (scores.tokenizer, scores.meteor) == (PLAIN, None)


@with_java
def test_the_tokenizer_is_the_packages():
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    texts = ["A red, long-sleeved dress -- it's new.", "", "(50% off) \u201cCafé\u201d crème 34.5cm", ""]
    expected = PTBTokenizer().tokenize({number: [{"caption": text}] for number, text in enumerate([*texts, "end"])})
    assert tokenize(texts) == ([expected[number][0] for number in range(4)], PTB)


@with_java
def test_meteor_in_any_locale(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE -Dfile.encoding=ISO-8859-1")
    scores = caption_scores(["café crème", "blue jeans"], [["Café crème"], ["blue jeans"]])
    assert scores.tokenizer == PTB
    assert scores.meteor == pytest.approx(1)
    assert scores.sum_cap == pytest.approx(100 * (scores.bleu[3] + scores.meteor + scores.rouge_l + scores.cider))


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="at least one"):
        caption_scores([], [])


@pytest.mark.parametrize(
    ("language", "text", "expected", "tokenizer"),
    [
        ("zh", "红色连衣裙，100%棉 T恤", "红 色 连 衣 裙 100 棉 t 恤", CHARACTERS),
        ("zh-TW", "紅色", "紅 色", CHARACTERS),
        ("ja", "赤いドレス、ガウン", "赤 い ド レ ス ガ ウ ン", CHARACTERS),
        ("th", "เสื้อ", "เ สื้ อ", CHARACTERS),
        ("de", "Ein rotes Kleid, halb-lang: 100% Größe!", "ein rotes kleid halb-lang 100 größe", WORDS),
        ("hi", "लाल पोशाक।", "लाल पोशाक", WORDS),
        ("ko", "빨간 드레스.", "빨간 드레스", WORDS),
    ],
)
def test_texts_are_divided_by_language(language, text, expected, tokenizer):
    assert tokenize([text], language) == ([expected], tokenizer)


def test_meteor_does_not_apply_to_other_languages(no_java):
    captions, references = ["红色连衣裙", "蓝色牛仔裤"], [["红色长裙"], ["蓝色牛仔裤"]]
    scores = caption_scores(captions, references)
    assert (scores.language, scores.tokenizer, scores.meteor, scores.sum_cap) == ("zh", CHARACTERS, None, None)
    # 3 of 5 and 5 of 5 characters.
    assert scores.bleu[0] == pytest.approx(0.8)
    assert "METEOR, and with it SumCAP, is for English and does not apply to zh." in caption_table(
        scores, "causal", "test", 2
    )
    assert caption_scores(CAPTIONS, REFERENCES).language == "en"
    german = caption_scores(["ein rotes Kleid"], [["Ein rotes Kleid."]], "de")
    assert german.meteor is None and german.bleu[2] == pytest.approx(1)


def test_a_language_is_a_code():
    assert CaptionConfig(language="zh-Hant").language == "zh-Hant"
    with pytest.raises(UserError, match="auto or a code such as en"):
        CaptionConfig(language="chinese!")


@pytest.mark.parametrize(
    "script, reason",
    [
        ("exit 3", "exit code 3"),
        ("sleep 60", "no answer in 1 s"),
        ("trap '' TERM; (trap '' TERM; sleep 60) & sleep 60", "no answer in 1 s"),
        ("yes", "bytes of output"),
        ("yes | tr -d '\\n'", "bytes of output"),
        ("cat >/dev/null; echo garbage", "other output than one line a text"),
        ("head -c 300 /dev/urandom", "other output than one line a text"),
        ("#", "other output than one line a text"),
    ],
)
def test_a_sick_java_is_one_line(tmp_path, monkeypatch, capsys, script, reason):
    monkeypatch.setattr(metrics, "SECONDS", 1.0)
    monkeypatch.setattr(metrics, "SECONDS_OF_TEXT", 0.0)
    _put_java(tmp_path, monkeypatch, script)
    scores = caption_scores(CAPTIONS, REFERENCES)
    assert (scores.tokenizer, scores.meteor) == (PLAIN, None)
    captured = capsys.readouterr()
    assert reason in captured.out and captured.out.count("\n") == 1 and captured.err == ""


@pytest.mark.parametrize(
    "script, reason",
    [
        ("exit 1", "ended too early"),
        ("sleep 60", "no answer in 1 s"),
        ("yes garbage", "could not convert string to float"),
        ("yes nan", "a score of nan"),
        ("yes | tr -d '\\n'", "a line is too long"),
    ],
)
def test_a_sick_meteor_is_one_line(tmp_path, monkeypatch, capsys, script, reason):
    monkeypatch.setattr(metrics, "SECONDS", 1.0)
    monkeypatch.setattr(metrics, "SECONDS_OF_TEXT", 0.0)
    # The tokenizer works: it writes what it reads.
    _put_java(tmp_path, monkeypatch, f'case "$*" in *PTBTokenizer*) exec cat ;; *) {script} ;; esac')
    scores = caption_scores(CAPTIONS, REFERENCES)
    assert (scores.tokenizer, scores.meteor) == (PTB, None)
    captured = capsys.readouterr()
    assert reason in captured.out and captured.out.count("\n") == 1 and captured.err == ""


def _put_java(folder, monkeypatch, script):
    (folder / "java").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "java").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
