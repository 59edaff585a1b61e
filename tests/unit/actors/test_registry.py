"""Unique names for live actors."""

from __future__ import annotations

import pytest

from procactors.actors._registry import Registry
from tests.unit.actors.samples import Sample


class Named:
    """Of a cell, the registry wants to know only the name."""

    def __init__(self, name):
        self.name = name


def test_name_is_taken_once():
    registry = Registry()
    first, second = Named("a"), Named("a")
    registry.add(first)
    with pytest.raises(ValueError, match="'a' is alive"):
        registry.add(second)
    assert registry.get("a") is first


def test_only_the_holder_frees_a_name():
    registry = Registry()
    holder = Named("a")
    registry.add(holder)
    registry.remove(Named("a"))
    assert registry.get("a") is holder
    registry.remove(holder)
    registry.remove(holder)
    assert registry.get("a") is None
    assert len(registry) == 0


def test_cells_come_in_the_order_of_their_start():
    registry = Registry()
    for name in "bca":
        registry.add(Named(name))
    assert [cell.name for cell in registry] == ["b", "c", "a"]


async def test_name_is_free_again_when_its_actor_has_ended_for_good(system):
    first = await system.start(Sample, name="one")
    assert system.find("one") is first
    with pytest.raises(ValueError, match="names are unique"):
        await system.start(Sample, name="one")
    first.stop()
    await first.stopped()
    assert system.find("one") is None
    assert await system.start(Sample, name="one") is not first
