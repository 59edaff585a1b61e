"""Compares procactors with recorded traces: `python -m tests.conformance.deferred FILE...`.

Prints the first difference of each failing case and, as the last line, how many passed and failed.
Exits 1 if any failed. `--tag` and `--not-tag` (repeatable) choose cases by their tags.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import anyio

from tests.conformance.deferred._cases import chosen, difference
from tests.conformance.deferred._factory import Factory
from tests.conformance.deferred._scenario import Scenario


async def play(case, folder):
    """Return the trace of a case; databases are made for those that say they need them."""
    factories = []

    def make_factory(is_cli, listener):
        factories.append(Factory(Path(folder), implicit=not is_cli, listener=listener))
        return factories[0]

    try:
        return await Scenario(case, make_factory if case.get("db", True) else None).play()
    finally:
        for factory in factories:
            factory.close()


def failure_of(case):
    """Return the first difference between what happens and what the case has; None if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = anyio.run(play, case, folder)
        except Exception as error:  # noqa: BLE001 - the other cases are to be compared all the same
            return f"it ended with {error!r}"
    return difference(case["trace"], found)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.deferred", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="case files, one JSON object per line")
    parser.add_argument("--tag", action="append", default=[], help="only cases with one of these tags")
    parser.add_argument("--not-tag", action="append", default=[], help="no cases with any of these tags")
    options = parser.parse_args(arguments)
    passed = failed = 0
    for path in options.files:
        with path.open(encoding="utf-8") as lines:
            for case in chosen(map(json.loads, filter(str.strip, lines)), options.tag, options.not_tag):
                found = failure_of(case)
                passed += found is None
                failed += found is not None
                if found is not None:
                    print(f"{case['name']}: {found}")  # noqa: T201 - a command line's output
    print(f"{passed} passed, {failed} failed")  # noqa: T201 - a command line's output
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
