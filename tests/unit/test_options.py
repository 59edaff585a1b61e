from __future__ import annotations

import pytest

from procactors import InvalidDefinitionError, ManagerOptions


@pytest.mark.parametrize("name", ManagerOptions.__struct_fields__)
@pytest.mark.parametrize("value", [-1, True, "5", None, float("nan")])
def test_a_limit_is_a_number_that_is_not_negative(name, value):
    with pytest.raises(InvalidDefinitionError, match=name):
        ManagerOptions(**{name: value})


@pytest.mark.parametrize("name", ["kill_grace_s", "worker_steps", "grace_s", "keep_ended_s"])
def test_some_limits_may_be_zero(name):
    assert getattr(ManagerOptions(**{name: 0}), name) == 0


@pytest.mark.parametrize("value", [0, 1.5])
def test_there_is_at_least_one_worker_and_no_half_one(value):
    with pytest.raises(InvalidDefinitionError, match="workers"):
        ManagerOptions(workers=value)


def test_there_are_as_many_workers_as_cores():
    assert ManagerOptions().workers >= 1
