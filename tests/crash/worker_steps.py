"""Steps that a killed manager leaves running; each notes its OS process and that of its child."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from pathlib import Path


def _begin(data):
    child = subprocess.Popen(["sleep", "1000"])
    path = Path(data["note"])
    path.with_suffix(".part").write_text(f"{os.getpid()} {child.pid}")
    path.with_suffix(".part").rename(path)


def sleeps(data):
    _begin(data)
    threading.Event().wait()


def is_deaf(data):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _begin(data)
    threading.Event().wait()


def never_returns_to_python(data):
    """Hold the interpreter's lock in C code for longer than anyone lives."""
    _begin(data)
    re.match("(a+)+b", "a" * 64)


def is_idle(data):
    """Leave a child to the worker."""
    _begin(data)
