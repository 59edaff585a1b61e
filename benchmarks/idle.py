"""What an idle manager costs: the share of one core that it uses while nothing happens.

Alone on its store it looks for news of other OS processes every 50 ms; with a client beside it, every 5 ms.
CPU time of the whole OS process, all threads. The floor is an event loop that sleeps just as often.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import report
import workload
from report import Figure, figure

from procactors import ProcessManager
from procactors.options import ManagerOptions

if TYPE_CHECKING:
    import argparse

NAPS = "a loop that sleeps as often"


async def measure(args: argparse.Namespace) -> list[Figure]:
    """Measure both."""
    options = ManagerOptions()
    alone, together, naps, short_naps = [], [], [], []
    for _ in range(args.repeats):
        with workload.fresh_database(args) as database:
            url = workload.url_of(database, args)
            async with ProcessManager(url):
                await anyio.sleep(args.settle_s)  # it looks more often for a while after a change
                alone.append(await percent_of_core(args.seconds))
                async with ProcessManager(url, run=False):
                    await anyio.sleep(args.settle_s)
                    together.append(await percent_of_core(args.seconds))
        naps.append(await percent_of_core(args.seconds, options.poll_idle_s))
        short_naps.append(await percent_of_core(args.seconds, options.poll_active_s))
    return [
        figure("an idle manager, alone", "% of a core", alone, beside=NAPS, floor=naps, target="0.5 %"),
        figure("an idle manager and a client", "% of a core", together, beside=NAPS, floor=short_naps),
    ]


async def percent_of_core(seconds: float, nap_s: float | None = None) -> float:
    """Return how much of a core this OS process uses for some seconds, asleep or in naps."""
    report.settle()
    started, used = time.perf_counter(), time.process_time()
    while (rest := started + seconds - time.perf_counter()) > 0:  # noqa: ASYNC110 - naps are what is measured
        await anyio.sleep(min(nap_s or rest, rest))
    return 100 * (time.process_time() - used) / (time.perf_counter() - started)


if __name__ == "__main__":
    report.main(
        __doc__, measure, quick={"seconds": 0.1, "settle_s": 0.0}, repeats=3, seconds=10.0, settle_s=3.0
    )
