"""Payloads as JSON that is easy on the eye: names, texts, numbers and words told apart. Pure."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from procactors.web._wording import pretty

_TOKEN = re.compile(
    r'(?P<name>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)"
)


_OPENINGS = {
    kind: Markup('<span class="json-{}">').format(kind) for kind in ("name", "text", "number", "word", None)
}
_CLOSING = Markup("</span>")


def coloured(value: Any) -> Markup:
    """Return a value as JSON over several lines, in which each kind of thing has a class of its own."""
    text, parts, end = pretty(value), [], 0
    for token in _TOKEN.finditer(text):
        parts += [escape(text[end : token.start()]), _OPENINGS[token.lastgroup], escape(token[0]), _CLOSING]
        end = token.end()
    return Markup("").join([*parts, escape(text[end:])])
