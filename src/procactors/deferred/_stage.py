"""The stages of a scope and their order: what runs before the response is sent, and what after."""

from __future__ import annotations

from enum import IntEnum


class Stage(IntEnum):
    """When an update runs. A later stage covers the earlier: running POSTSEND runs what PRESEND left."""

    ALL = 0
    """Not a stage of its own: everything, PRESEND first."""
    PRESEND = 1
    """Before the response is sent, a step's checkpoint is written, or what else the scope is around."""
    POSTSEND = 2
    """After that."""
