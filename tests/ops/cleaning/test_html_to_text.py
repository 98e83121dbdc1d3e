from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.html_to_text import HtmlToText
from ops.errors import BadData
from ops.steps import Facts

PAGE = """<!DOCTYPE html>
<html><head><title>Not this</title><style>p > a { color: red }</style></head>
<body class="a>b"><h1>Ships &amp; <em>boats</em></h1>
<p>First line<br>second
   line.<p>Open paragraph <!-- <p>hidden</p> -->
<ul><li>one<li>two</ul>
<script>if (a < b && c > d) { document.write("<p>no</p>"); }</script>
<table><tr><th>a</th><td>1</td></tr><tr><td>b<td>2</table>
<pre>
  def f(x):
      return x
</pre>
<div>caf&eacute; &#9731; &#x41; &notanentity; &lt;b&gt;</div>
<a href='x' title="5 > 3">end"""
TEXT = """Ships & boats

First line
second line.

Open paragraph

one
two

a\t1
b\t2

  def f(x):
      return x

café ☃ A ¬anentity; <b>
end"""


def table(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})


def text_of(page: str, step: HtmlToText | None = None) -> str:
    (found,) = (step or HtmlToText()).apply(table([page]), Facts("p")).kept["text"]
    return str(found)


def test_a_page() -> None:
    assert text_of(PAGE) == TEXT
    assert text_of("<head><title>This</title></head>x", HtmlToText(skip=["script"])) == "Thisx"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("a <!-- open <p>b", "a"),
        ("a<!-->b<!--->c<!-- d --!>e", "abce"),
        ("x<script>never closed <p>", "x"),
        ("<script><!-- </script>y", "y"),
        ("<!-- <script> -->y", "y"),
        ("<p>tail <a href=", "tail"),
        ("<a href='x>y'>t</a> <a href=\"x>y>z</a> w", "t y>z w"),
        ("<b><i>crossed</b></i> <unknown-thing/>x", "crossed x"),
        ("<?php echo 1 ?>a</ >b</>c<![CDATA[d]]>", "abc"),
        ("<p>a<br><br>b</p>", "a\n\nb"),
        ("<SCRIPT>a</Script ><P>b", "b"),
        ("&amp;lt; &copy2 &#0;", "&lt; ©2 \ufffd"),
        ("a < b and b > c, 1 <2", "a < b and b > c, 1 <2"),
        ("  kept \n\n\n as it is", "  kept \n\n\n as it is"),
        ("<scripted>a</scripted><prefix> b  c</prefix>", "a b c"),
        ("<p>a</p><script-block/>rest of the page", "a\n\nrest of the page"),
        ("<style-guide>a</style-guide><head-line>b</head-line><pre-x> c  d</pre-x><p-x>e", "ab c de"),
        ("<svg/>The article. <svg>x</svg> end", "The article. end"),
        ("<svg a='/>'>x<svg/>y</svg>b<SVG\nviewBox='0 0'>x<style/></SVG >c", "bc"),
        ("<svg><script href='x'/></svg>a<head><script src=\"x\" /></head>b", "ab"),
        ("<template>a<template>b</template>c</template>d", "d"),
        ("</object>a<object>b<object>c</object>d", "abd"),
        ("<b title='<svg>'>a</b><svg>x</svg>b <head", "ab"),
        ("<math/>1 <svg><!-- </svg> -->x</svg>2", "1 2"),
    ],
)
def test_broken_markup(page: str, expected: str) -> None:
    assert text_of(page) == expected


class Plain(HTMLParser):
    """The words in the order of the standard library's parser, with a break at blocks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("script", "style")
        self.parts.append(" " if tag in ("p", "div", "li", "ul", "h2", "td", "br") else "")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")
        self.parts.append(" " if tag in ("p", "div", "li", "ul", "h2") else "")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=12).map(lambda text: html.escape(text))
ATTRIBUTES = st.sampled_from(["", ' class="a>b"', " title='it > \"x\"'", " hidden", ' href="?a=1&b=2"'])
LEAVES = WORDS | st.sampled_from(
    ["<br>", "<!-- <p> -->", "<script>a<b</script>", "<style>p>a{}</style>", "&nbsp;", "&#233;"]
)
ELEMENTS = st.sampled_from(["p", "div", "li", "ul", "h2", "b", "span", "td", "i"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda name, attributes, parts: f"<{name}{attributes}>{''.join(parts)}</{name}>",
        ELEMENTS,
        ATTRIBUTES,
        st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)


@settings(max_examples=150)
@given(st.lists(TREES, min_size=1, max_size=4))
def test_words_are_those_of_the_standard_parser(pages: list[str]) -> None:
    pages = [f"<div>{page}</div>" for page in pages]
    found = HtmlToText().apply(table([*pages]), Facts("p")).kept["text"].to_list()
    for page, text in zip(pages, found, strict=True):
        parser = Plain()
        parser.feed(page)
        parser.close()
        assert re.split(r"\s+", text.strip()) == re.split(r"\s+", "".join(parser.parts).strip())


@given(
    st.lists(
        st.none() | st.text(st.sampled_from("<>/!-&;#xab\"'= \n") | st.characters(codec="utf-8"), max_size=40),
        max_size=6,
    )
)
def test_any_text(texts: list[str | None]) -> None:
    outcome = HtmlToText().apply(table(texts), Facts("p"))
    found = outcome.kept["text"].to_list()
    assert [text is None for text in found] == [text is None for text in texts]
    assert sum(outcome.changed.values()) == sum(a != b for a, b in zip(texts, found, strict=True))
    for before, after in zip(texts, found, strict=True):
        if before is not None and "<" not in before:
            assert after == html.unescape(before)


@pytest.mark.parametrize(
    "piece",
    ["<!--", "<div>", "<a ", "<script", "<a b='", "<pre>", "&", "</", "<p x='", "&#1",
     "<svg>", "<svg/>", "</svg>", "<head><svg>", "<script/>", "<svg", "<svg x='"],
)  # fmt: skip
def test_a_large_bad_text_takes_no_time_and_no_depth(piece: str) -> None:
    assert len(text_of(piece * 100_000)) <= len(piece) * 100_000


def test_counts_and_what_cannot_be_asked() -> None:
    rows = table(["<p>a</p>", "b &amp; c", "d", None])
    outcome = HtmlToText().apply(rows, Facts("p"))
    assert outcome.kept["text"].to_list() == ["a", "b & c", "d", None] and outcome.dropped.is_empty()
    assert outcome.changed == {"markup": 1, "entities": 1}
    assert rows["text"][0] == "<p>a</p>", "the table that came in is as it was"
    with pytest.raises(ValidationError):
        HtmlToText(skip=["no element"])
    with pytest.raises(BadData, match="internal use"):
        text_of("<p>" + "".join(chr(code) for code in range(0xFDD0, 0xFDF0)))
