from __future__ import annotations

import pytest

from procactors import InvalidDefinitionError, Process, Step

CALL = "shop.steps:render"


def in_process(**fields):
    return Step("s", CALL, executor="process", **fields)


@pytest.mark.parametrize("fields", [{"memory_bytes": 2**30}, {"nice": 19}, {"memory_bytes": 1, "nice": 1}])
def test_limits_of_an_os_process_are_in_the_spec(fields):
    process = Process("p", [in_process(**fields)])
    spec = process.to_spec()
    assert spec["steps"]["s"] == {"call": CALL, "executor": "process", **fields}
    assert Process.from_spec(spec) == process


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1GiB"])
def test_memory_has_to_be_a_number_of_bytes(value):
    with pytest.raises(InvalidDefinitionError, match=r"step 's', field 'memory_bytes': must be"):
        in_process(memory_bytes=value)


@pytest.mark.parametrize("value", [-1, 20, 1.5, True, None])
def test_niceness_has_to_be_one_that_anybody_may_have(value):
    with pytest.raises(InvalidDefinitionError, match=r"step 's', field 'nice': must be"):
        in_process(nice=value)


@pytest.mark.parametrize("executor", ["loop", "thread"])
@pytest.mark.parametrize("fields", [{"memory_bytes": 2**30}, {"nice": 1}])
def test_limits_need_an_os_process(executor, fields):
    with pytest.raises(InvalidDefinitionError, match="needs executor='process'"):
        Step("s", CALL, executor=executor, **fields)
