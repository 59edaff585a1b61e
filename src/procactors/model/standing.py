"""How a manager stands, as those see it who restart it, send it work, or want to know who is there."""

from __future__ import annotations

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a manager works, for whoever restarts it or sends it work.

    Attributes:
        is_live: False: its engine has ended with an error, and only a restart helps. A store that does not
            answer is no reason for a restart.
        is_ready: It is open, is not closing, and its store has answered within a lease's time: it holds
            its lease.
        reason: Why it is not live or not ready, for people; "" if it is.
    """

    is_live: bool
    is_ready: bool
    reason: str = ""
