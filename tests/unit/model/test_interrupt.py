from __future__ import annotations

import sys

import msgspec
import pytest

from procactors.errors import InvalidDefinitionError, StepNotResolvableError
from procactors.model.interrupt import Interrupt, question_of, resolve_schema


class Decision(msgspec.Struct):
    approved: bool


class Opaque(msgspec.Struct):
    anything: type


not_a_type = Decision(approved=True)


def test_an_answer_of_its_own_needs_a_time_after_which_it_is_given():
    with pytest.raises(InvalidDefinitionError, match="on_timeout needs a timeout"):
        Interrupt({}, on_timeout={"approved": True})


def test_a_schema_is_a_class_of_a_module():
    class Local(msgspec.Struct):
        approved: bool

    for schema in (Local, not_a_type, "Decision"):
        with pytest.raises(InvalidDefinitionError, match="a class at the top level of a module"):
            Interrupt({}, schema=schema)


def test_a_schema_that_can_not_be_described_is_refused():
    with pytest.raises(InvalidDefinitionError, match=r"Opaque.* can't be described"):
        question_of(Interrupt({}, schema=Opaque), None)


def test_a_stored_schema_is_found_again():
    assert resolve_schema(f"{__name__}:Decision", ()) is Decision


@pytest.mark.parametrize("name", ["not_a_type", "Gone"])
def test_a_stored_schema_that_leads_to_no_type_is_refused(name):
    with pytest.raises(StepNotResolvableError, match=name):
        resolve_schema(f"{__name__}:{name}", (__name__,))


def test_a_stored_schema_of_a_module_that_nobody_has_imported_leads_nowhere():
    with pytest.raises(StepNotResolvableError):
        resolve_schema("shop.nowhere:Decision", (__name__,))


@pytest.fixture
def unimported(tmp_path, monkeypatch):
    """A module that can be imported, and has not been."""
    (tmp_path / "answers_of_shop.py").write_text("class Decision: pass\n\n\ndef decide(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "answers_of_shop"
    del sys.modules["answers_of_shop"]


def test_a_stored_schema_may_lie_in_a_module_that_the_manager_was_told_of(unimported):
    assert resolve_schema(f"{unimported}:Decision", (unimported,)).__name__ == "Decision"


def test_a_stored_schema_that_leads_to_a_function_is_refused(unimported):
    with pytest.raises(StepNotResolvableError, match="answer's type"):
        resolve_schema(f"{unimported}:decide", (unimported,))
