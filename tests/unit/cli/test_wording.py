"""How texts, numbers and moments are written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procactors.cli import wording
from tests.unit.cli.samples import NOW


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (200 * 1024, "200 KiB"),
        (5 << 30, "5.0 GiB"),
        (3 << 40, "3.0 TiB"),
    ],
)
def test_size_has_a_fitting_unit(count, text):
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ((3, 10, "pages"), "3 of 10 pages"),
        ((1500.0, None, "rows"), "1,500 rows"),
        ((0.5, 1, ""), "0.5 of 1"),
    ],
)
def test_amount_says_how_far_a_step_is(said, text):
    assert wording.amount(*said) == text


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\x07b", "\u202eevil", "\udcff", "\x9b1m"])
def test_clean_leaves_nothing_that_a_terminal_obeys(text):
    assert all(char.isprintable() for char in wording.clean(text))


def test_one_thing_is_said_differently_from_many():
    assert [wording.plural(count, "group") for count in (0, 1, 1200)] == [
        "0 groups",
        "1 group",
        "1,200 groups",
    ]


def test_clean_makes_one_line_and_keeps_words():
    assert wording.clean("naïve\n\tcafé ✓") == "naïve  café ✓"


def test_short_pid_is_its_first_sixteen_digits():
    assert wording.short("0123456789abcdef" * 2) == "0123456789abcdef"


def test_command_is_quoted_for_a_shell():
    assert (
        wording.command("proceed", "01", "--data", '{"a": 1}')
        == """procactors proceed 01 --data '{"a": 1}'"""
    )


def test_moments_are_in_local_time():
    local = NOW.astimezone()
    assert wording.moment(NOW) == f"{local:%Y-%m-%d %H:%M:%S}"
    assert wording.clock_time(NOW + timedelta(seconds=1)) == f"{local + timedelta(seconds=1):%H:%M:%S}"
