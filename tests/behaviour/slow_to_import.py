"""A module whose import takes most of a second, as that of a large library does."""

from __future__ import annotations

import threading

from procactors import step

threading.Event().wait(1)


@step
def use(data):
    threading.Event().wait(1)
    return data
