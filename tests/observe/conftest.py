import asyncio
import contextlib

import pytest

from lambent.clock import ManualClock
from lambent.observe.logs import LogStore

ACCOUNT, REGION, GROUP = "123456789012", "us-east-1", "/aws/lambda/f"


class Logs:
    """A running store, and short names for one group of it."""

    def __init__(self, store):
        self.store = store
        self.reader = store.reader

    def open(self, stream="s", group=GROUP):
        return self.store.open(ACCOUNT, REGION, group, stream)

    def events(self, group=GROUP, **more):
        return self.reader.events(ACCOUNT, REGION, group, **more)

    def texts(self, **more):
        return [event.message for event in self.events(**more)]

    def streams(self, group=GROUP):
        return self.reader.streams(ACCOUNT, REGION, group)

    def follow(self, position, **more):
        upto = self.store.written_ms
        return self.reader.follow(ACCOUNT, REGION, GROUP, position, upto_ms=upto, **more)


@pytest.fixture
def run_logs(tmp_path):
    """Runs `main(logs)` over a store under the test's folder."""

    def run(main, root=None, **options):
        async def whole():
            store = LogStore(root or tmp_path / "logs", ManualClock(), **options)
            await store.start()
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(store.close)
                return await main(Logs(store))

        return asyncio.run(asyncio.wait_for(whole(), 100))

    return run
