"""What a step may say of itself, and what of it goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from procactors import InvalidDataError
from procactors.executors.context import StepContext


class Reports:
    def __init__(self):
        self.heard = []

    def progressed(self, *what):
        self.heard.append(what)

    def beat(self):
        self.heard.append("beat")


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
def ctx(reports):
    return StepContext("a" * 32, "fetch", 2, {}, reports)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ((1,), (1.0, None, "")),
        ((1, 2, "half"), (1.0, 2.0, "half")),
        ((Decimal("0.5"), True), (0.5, 1.0, "")),
        ((-5, -1), (-5.0, -1.0, "")),
        ((1, 2, "x" * 5000), (1.0, 2.0, "x" * 1000)),
        ((1, 2, "\ud800"), (1.0, 2.0, "\\ud800")),
    ],
)
def test_progress_goes_on_as_numbers_and_storable_text(ctx, reports, said, heard):
    ctx.progress(*said)
    assert reports.heard == [heard]


@pytest.mark.parametrize(
    "said", [(None,), ("1",), (float("nan"),), (1, float("inf")), (10**400,), (1, 2, None), (object(),)]
)
def test_progress_that_is_none_is_refused_with_the_step_that_said_it(ctx, reports, said):
    with pytest.raises(InvalidDataError, match="progress") as caught:
        ctx.progress(*said)
    assert (caught.value.pid, caught.value.step, caught.value.attempt) == ("a" * 32, "fetch", 2)
    assert reports.heard == []


def test_a_heartbeat_goes_on(ctx, reports):
    ctx.heartbeat()
    assert reports.heard == ["beat"]
