"""The command line that answers a question."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from procactors.cli.answering import command_to_answer, example
from tests.unit.cli.samples import Decision

PID = "0123456789abcdef" * 2


class Inner(msgspec.Struct):
    level: Literal["low", "high"]


class Everything(msgspec.Struct):
    inner: Inner
    texts: list[str]
    name: str
    count: int
    part: float
    either: int | None
    nothing: None
    free: dict[str, int]
    optional: str = "x"


class Tree(msgspec.Struct):
    below: Tree


@pytest.mark.parametrize("kind", [Decision, Inner, Everything, bool, list[int], Literal[3]])
def test_example_fits_its_schema(kind):
    made = example(msgspec.json.schema(kind))
    msgspec.convert(made, kind)


def test_example_leaves_out_what_has_a_default():
    assert example(msgspec.json.schema(Decision)) == {"approved": True}


def test_example_of_a_type_without_end_ends():
    assert "below" in example(msgspec.json.schema(Tree))


def test_question_without_schema_is_answered_by_an_empty_object():
    assert command_to_answer(PID, None) == "procactors proceed 0123456789abcdef --data '{}'"


def test_command_names_the_store_if_the_environment_does_not():
    command = command_to_answer(PID, msgspec.json.schema(Decision), "sqlite:///a b.db")
    assert command.endswith("""--data '{"approved": true}' --db 'sqlite:///a b.db'""")
