"""How a benchmark is run and how it says what it found: a JSON line per figure, then a table.

A script hands `main` a coroutine function that measures and returns `Figure`s, and the sizes it takes.
`main` reads the command line, runs the coroutine in an event loop of its own (asyncio and uvloop, an OS
process each), and prints when the measuring is over, never during it. A figure is the median of its
repetitions, with the lowest and the highest. A floor is measured in the same repetition as the figure
beside it; their ratio is the median of the repetitions' ratios, so that a machine that slows down for a
while slows both.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

LOOPS = ("asyncio", "uvloop")
WIDTHS = (8, 42, 9, 13, 21, 30, 10, 6, 28)
HEADINGS = ("loop", "what", "median", "unit", "lowest .. highest", "beside it", "median", "ratio", "target")

T = TypeVar("T")
Measure = "Callable[[argparse.Namespace], Awaitable[list[Figure]]]"


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was measured, and what it was measured beside.

    Attributes:
        benchmark: The script.
        name: What was measured.
        value: The median of `runs` repetitions, `low` the lowest and `high` the highest.
        loop: The event loop.
        durability: What a commit meant, where there were commits.
        beside: Name of the floor: the least that the same work costs without this library.
        floor: Its median, in the same unit.
        ratio: Value by floor: the median of the ratios of the single repetitions.
        target: What the design wants of it.
    """

    benchmark: str = ""
    name: str
    value: float
    unit: str
    low: float
    high: float
    runs: int
    loop: str = ""
    durability: str = ""
    beside: str = ""
    floor: float | None = None
    ratio: float | None = None
    target: str = ""


def figure(
    name: str,
    unit: str,
    samples: Sequence[float],
    *,
    beside: str = "",
    floor: Sequence[float] = (),
    durability: str = "",
    target: str = "",
) -> Figure:
    """Return the figure of these samples, one of each repetition; `floor` has as many, in their order."""
    ratios = [mine / least for mine, least in zip(samples, floor, strict=True)] if floor else []
    return Figure(
        name=name,
        unit=unit,
        value=_rounded(statistics.median(samples)),
        low=_rounded(min(samples)),
        high=_rounded(max(samples)),
        runs=len(samples),
        durability=durability,
        beside=beside,
        floor=_rounded(statistics.median(floor)) if floor else None,
        ratio=_rounded(statistics.median(ratios)) if ratios else None,
        target=target,
    )


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")


# Statistics and time.


def percentile(samples: Iterable[float], percent: float) -> float:
    """Return the nearest-rank percentile: the sample that `percent` of all are not above."""
    ranked = sorted(samples)
    return ranked[min(len(ranked) - 1, round(percent / 100 * len(ranked)))]


def ms(seconds: float) -> float:
    """Return seconds as milliseconds."""
    return seconds * 1000


def settle() -> None:
    """Collect garbage, so that none of an earlier measurement is collected in the next one."""
    gc.collect()


async def timed(work: Awaitable[T]) -> tuple[float, T]:
    """Return how many seconds `work` took, and what it returned."""
    settle()
    started = time.perf_counter()
    result = await work
    return time.perf_counter() - started, result


# Running a script.


def main(
    description: str | None, measure: Any, *, quick: dict[str, float], repeats: int = 5, **sizes: float
) -> None:
    """Measure and print: the whole life of a script.

    Args:
        description: The script's docstring, for `--help`.
        measure: Coroutine function that takes the arguments and returns figures.
        quick: Sizes for `--quick`, which shows that the script works, and measures nothing.
        repeats: Default number of repetitions.
        sizes: Defaults of the script's own arguments.
    """
    args = arguments(description, repeats, sizes, quick)
    script = Path(sys.argv[0]).stem
    if args.loop == "both":
        figures = [found for loop in LOOPS for found in in_subprocess([*sys.argv, "--loop", loop, "--json"])]
    else:
        figures = [
            msgspec.structs.replace(found, benchmark=script, loop=args.loop)
            for found in run_on(args.loop, measure, args)
        ]
        for found in figures:
            print(msgspec.json.encode(found).decode(), flush=True)
    if not args.json:
        print_table(figures)


def arguments(
    description: str | None, repeats: int, sizes: dict[str, float], quick: dict[str, float]
) -> argparse.Namespace:
    """Read a script's command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--loop", choices=(*LOOPS, "both"), default="both")
    parser.add_argument("--repeats", type=int, default=repeats, help="how often everything is measured")
    parser.add_argument("--quick", action="store_true", help="small and once, on asyncio only: does it work?")
    parser.add_argument("--json", action="store_true", help="print JSON lines only, no table")
    parser.add_argument("--folder", default=None, help="where databases are made; default: the system's")
    parser.add_argument("--synchronous", choices=("FULL", "NORMAL"), default="FULL")
    for name, value in sizes.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(loop="asyncio", repeats=1, **quick)
    return parser.parse_args()


def run_on(loop: str, function: Any, *args: Any) -> Any:
    """Run a coroutine function in a new event loop of that kind, and return what it returns."""
    return anyio.run(function, *args, backend_options={"use_uvloop": loop == "uvloop"})


def in_subprocess(argv: Sequence[str]) -> list[Figure]:
    """Run a script in another OS process; hand its JSON lines on."""
    found = []
    with subprocess.Popen([sys.executable, *argv], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            found.append(msgspec.json.decode(line, type=Figure))
    if child.returncode:
        sys.exit(f"{' '.join(argv)} ended with {child.returncode}")
    return found


# The table.


def print_table(figures: Iterable[Figure]) -> None:
    """Print figures for people."""
    print("\n" + row(HEADINGS))
    for found in figures:
        print(row(cells(found)))


def cells(found: Figure) -> tuple[str, ...]:
    """Return what the table shows of a figure."""
    spread = f"{number(found.low)} .. {number(found.high)}"
    beside = (found.beside, number(found.floor), number(found.ratio))
    return (found.loop, found.name, number(found.value), found.unit, spread, *beside, found.target)


def number(value: float | None) -> str:
    """Return a number as the tables print it."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def row(texts: Sequence[str], widths: Sequence[int] = WIDTHS) -> str:
    """Return one line of a table."""
    return " ".join(f"{text:<{width}}" for text, width in zip(texts, widths, strict=True)).rstrip()
