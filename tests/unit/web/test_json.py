"""Payloads on a page: readable, coloured, and never markup."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from procactors.web._json import coloured

ATTACK = '</pre><script>alert("1")</script>'


def plain(markup):
    return unescape(re.sub(r'<span class="json-\w+">|</span>', "", markup))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1.5e-07,
        "text",
        {ATTACK: [ATTACK, 1, None, {"nested": False}]},
        ['a "quoted" \\ one', '\\"', "1 true : null", "\n", "ü"],
        {},
    ],
)
def test_what_is_shown_is_the_value_and_no_markup(value):
    shown = str(coloured(value))
    assert json.loads(plain(shown)) == value
    assert "<script" not in shown


def test_each_kind_of_thing_has_its_class():
    shown = coloured({"a": ["b", 1, True]})
    assert re.findall(r"json-(\w+)\">([^<]*)", shown) == [
        ("name", "&#34;a&#34;"),
        ("text", "&#34;b&#34;"),
        ("number", "1"),
        ("word", "true"),
    ]
