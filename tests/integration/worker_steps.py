"""Steps that do to their worker what steps should not do."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path


def echo(data):
    return data


def scribble(data):
    """Write into whatever is open."""
    for fd in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if fd > 2:
            with contextlib.suppress(OSError):
                os.write(fd, b"\0\0\0\1\xc1")
    threading.Event().wait()


def close_streams(data):
    sys.stdout.close()
    sys.stderr = None
    return data


def kill_itself(data):
    os.kill(os.getpid(), data)


def ignore_sigterm(data):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return os.getpid()


def wait(data):
    threading.Event().wait()


def stop_itself(data):
    os.kill(os.getpid(), signal.SIGSTOP)


def leave_thread(data):
    """Leave a thread behind that keeps the interpreter from ending."""
    threading.Thread(target=threading.Event().wait).start()
