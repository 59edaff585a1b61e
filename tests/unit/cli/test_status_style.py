"""Signs and colours."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from procactors import ProcessStatus, StepStatus
from procactors.cli import status_style


@pytest.mark.parametrize("status", [*ProcessStatus, *StepStatus])
def test_every_status_has_a_sign_of_one_column_and_a_colour(status):
    fancy = Console(file=io.TextIOWrapper(io.BytesIO(), "utf-8"))
    plain = Console(file=io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert status_style.sign(status, fancy).cell_len == 1
    assert status_style.sign(status, plain).plain.isascii()
    assert status_style.colour(status)


def test_word_has_no_underscore():
    assert status_style.word(ProcessStatus.TIMED_OUT).plain == "timed out"
