"""Who deferred an update: the place in the program's text, for logs and errors."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from types import CodeType


class Origin(msgspec.Struct, frozen=True):
    """A line of the program.

    Attributes:
        file: Path of the source file.
        line: Number of the line, from 1.
        function: Qualified name of the function it is in.
    """

    file: str
    line: int
    function: str

    @classmethod
    def at(cls, code: CodeType, instruction: int) -> Origin:
        """Return the line of `instruction`, a frame's `f_lasti`, in `code`.

        Finding the line takes longer than all the rest of a deferral, so it is done only for a log.
        """
        line = next(islice(code.co_positions(), instruction // 2, None), (None,))[0]
        return cls(code.co_filename, line or code.co_firstlineno, code.co_qualname)

    def __str__(self) -> str:
        """Return it as an editor's link."""
        return f"{self.file}:{self.line} in {self.function}"


def name_of(update: Any) -> str:
    """Return what to call an update in a log: its function's name or its class's."""
    function = getattr(update, "function", None)
    if function is not None:
        return getattr(function, "__qualname__", None) or type(function).__qualname__
    return type(update).__qualname__
