"""Runs the examples of a page: Python in ```python, what it prints in ```output, shells in ```console.

Each page is a module of its own, whose blocks follow each other. `await` may stand at the top: all
blocks of a page run in one task of one event loop, so that what a block opened another may use.
What is typed into a shell is run in OS processes of its own, see `docs/sessions.py`. A block after
`<!-- skip: next -->` is not run.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sybil import Document, Example, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from docs.sessions import Session
from tests.leaks import Before

if TYPE_CHECKING:
    from collections.abc import Coroutine


class PageTask:
    """One task in which the blocks of a page run, one after the other."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._blocks: asyncio.Queue[tuple[Coroutine[Any, Any, Any], asyncio.Future[None]]] = asyncio.Queue()
        self._task = self._runner.get_loop().create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            block, done = await self._blocks.get()
            try:
                await block
            except Exception as error:  # noqa: BLE001 - it is the example's, and goes to its test
                done.set_exception(error)
            else:
                done.set_result(None)

    def run(self, block: Coroutine[Any, Any, Any]) -> None:
        """Run one block to its end, and raise what it raises."""
        loop = self._runner.get_loop()
        done = loop.create_future()
        self._blocks.put_nowait((block, done))
        loop.run_until_complete(done)

    def close(self) -> None:
        """Cancel what the page left running."""
        self._runner.close()


class Page(Document):
    """A page whose examples are in a module that can be found, as classes and references want it."""

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text, path)
        module = ModuleType(f"page_{Path(path).stem.replace('-', '_')}")
        self.namespace = vars(module)
        self.namespace["_module"] = module


def open_page(namespace: dict[str, Any]) -> None:
    """Make ready for the first block of a page."""
    sys.modules[namespace["__name__"]] = namespace["_module"]
    namespace["_before"] = Before()
    namespace["_task"] = PageTask()
    namespace["_session"] = Session()


def close_page(namespace: dict[str, Any]) -> None:
    """Put away what is left after the last block of a page; fail if that is not all."""
    namespace["_task"].close()
    namespace["_session"].close()
    del sys.modules[namespace["__name__"]]
    namespace["_before"].compare()


def run(example: Example) -> None:
    """Run one block of Python, or keep it for the shell if it is a file."""
    if example.namespace["_session"].keep_file(example.parsed):
        return
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    printed = StringIO()
    with redirect_stdout(printed):
        block = eval(code, example.namespace)  # noqa: S307 - our own pages
        if inspect.iscoroutine(block):
            example.namespace["_task"].run(block)
    example.namespace["_printed"] = printed.getvalue()


def compare(example: Example) -> str | None:
    """Compare what the block before printed with what the page says."""
    printed, said = example.namespace["_printed"].strip(), example.parsed.strip()
    return None if printed == said else f"the block before printed\n{printed}\nbut the page says\n{said}"


def type_in(example: Example) -> str | None:
    """Run one block of a shell."""
    problem: str | None = example.namespace["_session"].check(example.parsed)
    return problem


def pages(*patterns: str) -> Sybil:
    """Return what finds and runs the examples of pages, by their paths below the repository's root."""
    return Sybil(
        parsers=[
            CodeBlockParser("python", run),
            CodeBlockParser("output", compare),
            CodeBlockParser("console", type_in),
            SkipParser(),
        ],
        patterns=patterns,
        path=str(Path(__file__).parent.parent),
        setup=open_page,
        teardown=close_page,
        document_types={".md": Page},
    )


pytest_collect_file = pages("docs/**/*.md", "docs/*.md").pytest()
