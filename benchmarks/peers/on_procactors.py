"""The work of `peers.py` in this library: `on_procactors.py FILE PROCESSES STEPS LONE_STEPS`."""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import anyio

sys.path.insert(0, str(Path(__file__).parents[1]))
import workload

from procactors import ProcessManager


async def main(file: str, processes: int, steps: int, lone_steps: int) -> None:
    """Print steps a second, and the median milliseconds from step to step of a lone process."""
    moments: list[float] = []
    services = {"noted": lambda: moments.append(time.perf_counter())}
    async with ProcessManager(f"sqlite:///{file}", max_running=processes, services=services) as manager:
        await workload.run_all(manager, workload.of_nothing(steps), processes // 10 + 1)
        started = time.perf_counter()
        await workload.run_all(manager, workload.of_nothing(steps), processes)
        seconds = time.perf_counter() - started
        await workload.run_all(manager, workload.of_notes(lone_steps), 1)
    lone = median(later - earlier for earlier, later in pairwise(moments))
    print(processes * steps / seconds, lone * 1000)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], *map(int, sys.argv[2:]))
