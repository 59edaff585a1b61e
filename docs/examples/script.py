"""A plain script: run it, stop it whenever you like, run it again with the same title, and it goes on."""

import os
import sys

import anyio
from publishing import PUBLISH

from procactors import ProcessInterrupted, ProcessManager


async def main(title):
    async with ProcessManager(os.environ.get("DATABASE", "sqlite:///publishing.db")) as manager:
        handle = await manager.start(PUBLISH, {"title": title}, key=f"publish {title}")
        async with handle.subscribe() as events:
            async for event in events:
                print(event.seq, type(event).__name__, flush=True)
                if isinstance(event, ProcessInterrupted) and (await handle.info()).interrupt:
                    answer = await anyio.to_thread.run_sync(input, "publish it? [y/n] ")
                    await handle.proceed({"approved": answer.strip() == "y"})
        print(await handle.result())


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
