from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from procactors.errors import InvalidDefinitionError, StepNotResolvableError
from procactors.model import reference
from procactors.model.step import Step

CONSTANT = 7


async def fetch(data):
    return data


async def other(data):
    return data


def known(name):
    """Mark with a stable name of this test's own: the registry is the whole program's."""
    return reference.step(name=f"{__name__}.{name}")


def test_a_stable_name_belongs_to_one_step():
    known("taken")(fetch)
    known("taken")(fetch)
    with pytest.raises(InvalidDefinitionError, match=r"is taken by .*fetch"):
        known("taken")(other)


def test_a_reference_that_leads_to_no_callable_says_what_is_there():
    with pytest.raises(StepNotResolvableError, match="names a int"):
        reference.resolve(f"{__name__}:CONSTANT", (__name__,))


def test_a_function_whose_place_is_taken_by_something_else_is_refused():
    def stray(data):
        return data

    stray.__module__, stray.__qualname__ = __name__, "CONSTANT"
    with pytest.raises(InvalidDefinitionError, match="names something other"):
        reference.register(stray)


def test_a_step_of_a_reference_can_be_written_without_its_code():
    assert Step("s", "shop.steps:fetch").reference == "shop.steps:fetch"


class Kitchen:
    def cook(self, data):
        return data

    @classmethod
    def clean(cls, data):
        return data


def test_a_method_of_an_object_is_refused_as_the_object_could_not_be_found_again():
    with pytest.raises(InvalidDefinitionError, match=r"Kitchen\.cook is bound to"):
        Step("cook", Kitchen().cook)
    assert Step("clean", Kitchen.clean).reference.endswith(":Kitchen.clean")


@pytest.mark.parametrize(
    ("spec", "file", "name"),
    [
        ("shop.__main__", "/srv/shop/__main__.py", "shop"),
        ("shop.nightly", "/srv/shop/nightly.py", "shop.nightly"),
        (None, "/srv/nightly.py", "nightly"),
        (None, None, "__main__"),
    ],
)
def test_the_main_program_is_known_by_its_module_or_its_file(monkeypatch, spec, file, name):
    main = ModuleType("__main__")
    main.__spec__ = None if spec is None else ModuleSpec(spec, loader=None)
    main.__file__ = file
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert reference.module_name("__main__") == name
