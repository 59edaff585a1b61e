"""What a cell is doing."""

from __future__ import annotations

from enum import Enum


class CellState(Enum):
    """What a cell is doing."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESTING = "resting"
    """Between two lives."""
    STOPPED = "stopped"
