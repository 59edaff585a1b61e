"""Definitions that the tests of the commands name on the command line."""

from __future__ import annotations

from procactors import Interrupt, Process
from tests.unit.cli.samples import Decision


async def work(data):
    return data


async def check(data):
    return data


async def refuse(data):
    raise ValueError("not today")


async def ask(data):
    return Interrupt(data, schema=Decision)


QUICK = Process("quick", [work, check])
ASKING = Process("asking", [ask, check])
REFUSING = Process("refusing", [work, refuse])
