"""Markup is no text, and what only looks like markup is."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.catalog.plain_text import plain_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            "<p>A <strong>dress</strong> &amp; hat.</p><ul><li>100&#37;</li><li>30&deg;C</li></ul>",
            "A dress & hat.\n100%\n30°C",
        ),
        ("<b>bo</b>ld <s>old</s>", "bold old"),
        ("Red<br>Blue<br/>Green", "Red\nBlue\nGreen"),
        ("<td>a</td><td>b</td>", "a\nb"),
        ("<style>.x{color:red}</style>Tee<script>var a='<p>x</p>'</script>", "Tee"),
        ("<!-- note -->x<!-- open", "x"),
        ('<a title="a > b" href=x>link</a>', "link"),
        ("&lt;p&gt;Hi&lt;/p&gt;", "Hi"),
        ("&amp;lt;p&amp;gt;Hi &amp;amp; bye", "Hi & bye"),
        ("crew&nbsp;neck", "crew neck"),
        ("crew&nbsp neck &copy 2020 <b>5 &lt 6</b>", "crew neck © 2020 5 < 6"),
        ("Men&#8217;s", "Men’s"),
        ("<![CDATA[<p>x</p>]]>", "x"),
        ("<o:p>w</o:p>ord", "word"),
        ("dress <strong", "dress"),
        ('dress <a href="htt', "dress"),
        ("cot\u200bton soft\u00adly\ufeff", "cotton softly"),
        ("[our guide](https://x.com/a) ![img](a.jpg)**bold** *it* __so__", "our guide bold it so"),
        ("## Care\n* wash\n* dry", "Care\nwash\ndry"),
        ("A tee\\nSecond line", "A tee\nSecond line"),
        ("don\x92t", "don’t"),
        ("<p>size <M> and 5 < 6 & more</p>", "size <M> and 5 < 6 & more"),
    ],
)
def test_markup_is_taken_off(text, plain):
    assert plain_text(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "5 < 6", "7 > 3", "size <M>", "size <S> or <XL>", "A & B", "AT&T", "R&D &copy=1", "&bogus;", "a<b and c>d",
        "I <3 you", "3*4*5 cm", "snake_case_name", "#1 best", "5\" heel", "Two\nlines", "50% off (new)", "C# [sale]",
        "~10 cm",
        "می\u200cخواهم", "👨\u200d👩\u200d👧", "x <= y", "- one\n- two",
    ],
)  # fmt: skip
def test_what_only_looks_like_markup_stays(text):
    assert plain_text(text) == text


@given(
    st.lists(st.text(st.characters(categories=["L", "N"], exclude_characters="_"), min_size=1), min_size=1, max_size=5)
)
def test_words_survive_any_wrapping(words):
    kept = " ".join(words)
    assert plain_text(f"<div><p>{html.escape(kept)}</p></div>").split() == kept.split()
    assert plain_text(html.escape(f"<p>{html.escape(kept)}</p>")).split() == kept.split()
    assert plain_text("<ul>" + "".join(f"<li>{word}</li>" for word in words) + "</ul>").split() == kept.split()


@given(st.text("<>&;/!-abp= \"'\n*_[](`", max_size=60))
def test_any_text_becomes_text_once(text):
    plain = plain_text(text)
    assert "</p>" not in plain and plain_text(plain) is not None


@pytest.mark.parametrize(
    "part", ["<div>", "<a href=x>", "<", "<!--", '<p ="', "&amp;", "[a](", "*a ", "<svg>", "<template>"]
)
def test_a_long_text_takes_no_longer_by_its_form(part):
    plain_text(part * 200_000)  # seconds if the time were quadratic: minutes
