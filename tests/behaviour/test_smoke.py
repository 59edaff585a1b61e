from procactors import Process
from tests.behaviour.steps import echo, gated
async def test_a(m):
    h = await m.start(Process("p", [echo]), {"a": 1})
    assert await h.result() == {"a": 1}
async def test_b(m, probe):
    h = await m.start(Process("p", [gated]), {"a": 1})
    await probe.reached["gated"].wait()
    await h.cancel(reason="x")
    i = await h.info()
    print(i)
    async with m.subscribe(h.pid) as e:
        async for x in e: print(x)
    print(await h.info())
    assert 0
