"""What can be done about one process: for each verb the shape of its body, and the manager's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from procactors.errors import InvalidStateError
from procactors.web import _body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from procactors.manager import ProcessManager
    from procactors.web._access import Action


class Verb(NamedTuple):
    """One thing that can be done.

    Attributes:
        says: What it does, for the documentation.
        body: The shape of the request's body.
        act: Does it, and returns the pid of the process to look at then.
    """

    says: str
    body: type
    act: Callable[[ProcessManager, str, Any], Awaitable[str]]


async def _proceed(manager: ProcessManager, pid: str, body: _body.Answer) -> str:
    return await manager.proceed(pid, body.data)


async def _cancel(manager: ProcessManager, pid: str, body: _body.Reason) -> str:
    if not await manager.cancel(pid, reason=body.reason):
        status = (await manager.info(pid)).status
        raise InvalidStateError(f"process {pid} is over already: it is {status}", pid=pid)
    return pid


async def _retry(manager: ProcessManager, pid: str, _nothing: _body.Nothing) -> str:
    await manager.retry(pid)
    return pid


async def _rewind(manager: ProcessManager, pid: str, body: _body.AtStep) -> str:
    await manager.rewind(pid, body.step)
    return pid


async def _skip(manager: ProcessManager, pid: str, body: _body.AtStep) -> str:
    await manager.skip(pid, body.step)
    return pid


async def _fork(manager: ProcessManager, pid: str, body: _body.Branch) -> str:
    return (await manager.fork(pid, body.step, body.data)).pid


VERBS: dict[Action, Verb] = {
    "proceed": Verb("Answer its interrupt, so that it goes on", _body.Answer, _proceed),
    "cancel": Verb("Cancel it: no further step starts", _body.Reason, _cancel),
    "retry": Verb("Go on from its failed step", _body.Nothing, _retry),
    "rewind": Verb("Run it again from a step on", _body.AtStep, _rewind),
    "skip": Verb("Go on behind a step that failed or blocks", _body.AtStep, _skip),
    "fork": Verb("Start a new process like it, from a step on", _body.Branch, _fork),
}
