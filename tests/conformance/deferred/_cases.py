"""What is compared, and which cases are chosen."""

from __future__ import annotations

import json

NAMING_CODES = {"boom", "merge", "job"}
"""Codes of errors whose message names the update; the other messages are PHP's own."""


def comparable(event):
    """Return an event without what is not compared."""
    left_out = {"class"} if event.get("code") in NAMING_CODES else {"class", "msg"}
    return {key: value for key, value in event.items() if key not in left_out}


def difference(expected, found):
    """Return the first difference of two traces in words, None if they are equal."""
    for number in range(max(len(expected), len(found))):
        wanted = comparable(expected[number]) if number < len(expected) else "nothing"
        given = comparable(found[number]) if number < len(found) else "nothing"
        if wanted != given:
            return f"event {number}: expected {json.dumps(wanted)}, found {json.dumps(given)}"
    return None


def chosen(cases, tags, not_tags):
    """Return the cases that have one of `tags`, if any are given, and none of `not_tags`."""
    for case in cases:
        own = set(case.get("tags", ()))
        if (not tags or own & set(tags)) and not own & set(not_tags):
            yield case
