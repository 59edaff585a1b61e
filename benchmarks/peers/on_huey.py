"""The work of `peers.py` in huey: `on_huey.py FILE PROCESSES STEPS LONE_STEPS`.

A pipeline of tasks for each process: each step is taken from the queue, its result is stored, and the next
step is put into the queue. SQLite in WAL mode with fsync, two worker threads.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from itertools import pairwise
from statistics import median

from huey import SqliteHuey

logging.disable(logging.CRITICAL)
huey = SqliteHuey(filename=sys.argv[1], fsync=True, journal_mode="wal")
moments: list[float] = []
left = threading.Semaphore(0)


@huey.task()
def note(data: str) -> str:
    """Note when it is, and return the input."""
    moments.append(time.perf_counter())
    left.release()
    return data


def run_all(processes: int, steps: int) -> float:
    """Start them all, wait for all; return the seconds."""
    started = time.perf_counter()
    for _ in range(processes):
        pipeline = note.s("data")
        for _ in range(steps - 1):
            pipeline = pipeline.then(note)
        huey.enqueue(pipeline)
    for _ in range(processes * steps):
        left.acquire()
    return time.perf_counter() - started


def main(processes: int, steps: int, lone_steps: int) -> None:
    """Print steps a second, and the median milliseconds from step to step of a lone process."""
    consumer = huey.create_consumer(workers=2, periodic=False, check_worker_health=False)
    consumer.start()
    run_all(processes // 10 + 1, steps)
    seconds = run_all(processes, steps)
    moments.clear()
    run_all(1, lone_steps)
    lone = median(later - earlier for earlier, later in pairwise(moments))
    print(processes * steps / seconds, lone * 1000, flush=True)
    consumer.stop(graceful=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[2:]))
