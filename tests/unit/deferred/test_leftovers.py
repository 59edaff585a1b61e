import anyio

from procactors.deferred import DeferredUpdates
from tests.unit.deferred.samples import EnqueueableNote, Note, failing


async def test_everything_that_is_left_finds_its_place(log, ledger, caplog):
    updates = DeferredUpdates(
        enqueue=lambda _, data: log.append(("process", data["name"])),
        keep=lambda update: log.append(("kept", update.name)),
    )
    updates.add(Note(log, "durable"), durable=True)
    updates.add(EnqueueableNote(log, "enqueueable"))
    updates.add(Note(log, "rescued"))
    updates.add(Note(log, "lost"))
    await ledger.begin()
    updates.add(Note(log, "tied"), after_commit=ledger)

    async def rescue(update):
        if update.name == "rescued":
            log.append(("rescued", update.name))
            return True
        return False

    assert await updates.hand_over(rescue) == 2
    assert log == [("kept", "durable"), ("process", "enqueueable"), ("rescued", "rescued")]
    assert caplog.text.count("is dropped: its scope ended before it had run") == 2
    assert updates.pending_count() == 0


async def test_failure_to_hand_over_is_logged_and_stops_nobody(log, caplog):
    updates = DeferredUpdates(enqueue=failing(OSError("full")))
    updates.add(EnqueueableNote(log, "a"))
    updates.add(Note(log, "b"))
    assert await updates.hand_over(lambda update: log.append(update.name) or True) == 1
    assert log == ["b"]
    assert "failed to hand over" in caplog.text


async def test_interrupted_update_is_left_over(updates, caplog):
    updates.add_callable(anyio.sleep_forever)
    with anyio.move_on_after(0.01):
        await updates.run()
    assert await updates.hand_over() == 1
    assert "sleep_forever" in caplog.text


async def test_cancellation_while_handing_over_logs_the_rest(updates, log, caplog):
    updates.add(Note(log, "a"))
    updates.add(Note(log, "b"))
    with anyio.move_on_after(0.01) as scope:
        await updates.hand_over(lambda _: anyio.sleep_forever())
    assert scope.cancelled_caught
    assert caplog.text.count("is dropped") == 2


async def test_discard_keeps_what_runs_always(updates, log, ledger, caplog):
    await ledger.begin()
    updates.add(Note(log, "parked"), after_commit=ledger)
    await updates.run()
    updates.add(Note(log, "a"))
    updates.add(Note(log, "b"), always=True)
    assert updates.discard("the request failed") == 2
    assert caplog.text.count("is dropped: the request failed") == 2
    await updates.run()
    assert log == ["b"]
    updates.add(Note(log, "c"), always=True)
    assert updates.discard("the end", even_always=True) == 1
