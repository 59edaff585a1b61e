from threading import get_ident

from anyio import to_thread

from procactors.deferred import Wake


async def test_wake_calls_in_the_loops_thread_from_any(updates):
    called = []
    wake = Wake(lambda given: called.append((given, get_ident())))
    wake(updates)
    await to_thread.run_sync(wake, updates)
    assert called == [(updates, get_ident())] * 2
