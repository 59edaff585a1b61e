import anyio
import pytest

from procactors.stores._polling import first_answer

pytestmark = pytest.mark.anyio


class Oracle:
    """Gives its answers one after the other, the last one for ever; raises one that is an error."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0
        self.heard = anyio.Event()

    def __call__(self):
        self.asked += 1
        self.heard.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("answer", [True, None, "news"])
async def test_it_is_asked_until_the_answer_is_not_false_and_after_each_pause(answer):
    oracle, pauses = Oracle(False, False, answer), []

    def pause_s():
        pauses.append(oracle.asked)
        return 0.0

    assert await first_answer(oracle, pause_s) is answer
    assert oracle.asked == 3
    assert pauses == [0, 1, 2]


async def test_what_it_raises_is_raised():
    with pytest.raises(OSError, match="gone"):
        await first_answer(Oracle(False, OSError("gone")), lambda: 0.0)


@pytest.mark.parametrize("last", [False, True, OSError("gone")])
async def test_it_is_not_asked_any_more_after_a_cancellation(last):
    oracle = Oracle(False, last)
    async with anyio.create_task_group() as group:
        group.start_soon(first_answer, oracle, lambda: 0.0 if not oracle.asked else 1e-9)
        await oracle.heard.wait()
        group.cancel_scope.cancel()
    asked = oracle.asked
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert oracle.asked == asked


async def test_no_task_wakes_up_before_there_is_an_answer():
    oracle, steps = Oracle(False, False, False, True), 0

    class Counted:
        def __await__(self):
            nonlocal steps
            for wait in first_answer(oracle, lambda: 0.0).__await__():
                steps += 1
                yield wait

    await Counted()
    assert oracle.asked == 4
    assert steps == 1
