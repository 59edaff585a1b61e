"""Which processes are listed.

Each kind of question is a query of its own, made for an index: however many processes there are, a page of
the list is a few steps in it. Only a search goes through all that it finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procactors.model.status import ProcessStatus
from procactors.stores._reading import records
from procactors.stores._talk import One

if TYPE_CHECKING:
    from procactors.stores._record import Record
    from procactors.stores._talk import Talk

_NEWEST = 2**63 - 1
_EVERY_STATUS = [status.value for status in ProcessStatus]
_LEAST_OF_PID = 8  # hex digits: a minute of time; fewer would be half of the store
_PID_DIGITS = 32
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of processes.

    Attributes:
        statuses: Only those of these statuses; None: of all.
        name: Only those of the definition of this name.
        parent: Only the children of the process with this pid.
        search: Only those whose name contains this text in any case, whose key begins with it, that have it
            as a tag, or whose pid begins with it, if it is 8 hex digits or more.
        limit: How many at most.
        after: Only those older than the process with this pid.
    """

    statuses: tuple[ProcessStatus, ...] | None = None
    name: str | None = None
    parent: str | None = None
    search: str | None = None
    limit: int = 100
    after: str | None = None


def listing(wanted: Wanted) -> Talk[list[Record]]:
    """Return processes, the newest first."""
    before = _NEWEST
    if wanted.after is not None:
        before = (yield One("place_of", (wanted.after,)))[0][0]
    page = (before, wanted.limit)
    statuses = None if wanted.statuses is None else [status.value for status in wanted.statuses]
    if wanted.parent is not None:
        return (yield from records("records_of_parent", wanted.parent, statuses, wanted.name, *page))
    if wanted.search is not None:
        return (yield from _found(wanted.search, statuses, wanted.name, page))
    if wanted.name is not None:
        return (
            yield from records(
                "records_of_names", [wanted.name], _EVERY_STATUS if statuses is None else statuses, *page
            )
        )
    if statuses is not None:
        return (yield from records("records_of_statuses", statuses, *page))
    return (yield from records("records_listed", *page))


def _found(
    text: str, statuses: list[str] | None, name: str | None, page: tuple[Any, ...]
) -> Talk[list[Record]]:
    names = [one for one in (yield from names_of_all()) if text.casefold() in one.casefold()]
    chosen = [one for one in names if name in {None, one}]
    pids = _beginning_of_pid(text)
    keys = (text, beyond(text))
    return (
        yield from records("records_found", chosen, statuses, _EVERY_STATUS, name, *pids, *keys, text, *page)
    )


def names_of_all() -> Talk[list[str]]:
    """Return the names of all processes, sorted."""
    return [name for (name,) in (yield One("names"))]


def _beginning_of_pid(text: str) -> tuple[str, str]:
    """Return the first text that begins like a pid, and the first behind those that do; twice "" for none."""
    digits = text.replace("-", "").lower()
    if not _LEAST_OF_PID <= len(digits) <= _PID_DIGITS or digits.strip("0123456789abcdef"):
        return "", ""
    return digits, digits + "g"


def beyond(text: str) -> str:
    """Return the least text above all that begin with `text`, by code points; "" if there is none."""
    head, last = text[:-1], ord(text[-1]) if text else _LAST_CHARACTER
    if last >= _LAST_CHARACTER:
        return beyond(head) if head else ""
    following = last + 1
    return head + chr(_SURROGATES.stop if following in _SURROGATES else following)
