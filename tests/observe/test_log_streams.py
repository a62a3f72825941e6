"""Streams and their events over the real store, database and clock of a platform."""

import asyncio
import contextlib

import pytest

from lambent.clock import ManualClock
from lambent.control.log_groups import LogGroups
from lambent.control.names import Scope
from lambent.errors import ResourceAlreadyExists, ResourceNotFound
from lambent.observe.log_order import Key
from lambent.observe.log_pages import END_OF_TIME, Range
from lambent.observe.log_put import NewEvent
from lambent.observe.log_streams import LogStreams
from lambent.observe.logs import LogStore
from lambent.store.database import Database

SCOPE = Scope("123456789012", "us-east-1")
NOW = 1_700_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def run(tmp_path):
    """Runs `main(streams, clock)` over one data folder; what it keeps, the next run finds."""

    def run(main, **options):
        async def whole():
            clock = ManualClock(NOW)
            async with contextlib.AsyncExitStack() as stack:
                database = Database(tmp_path / "db.sqlite")
                await database.open()
                stack.push_async_callback(database.close)
                groups = LogGroups(database, clock)
                await groups.open()
                stack.push_async_callback(groups.close)
                store = LogStore(tmp_path / "logs", clock, **options)
                await store.start()
                store.on_group = groups.appeared
                stack.push_async_callback(store.close)
                streams = LogStreams(groups, store, clock)
                stack.callback(streams.close)
                return await main(streams, clock)

        return asyncio.run(asyncio.wait_for(whole(), 100))

    return run


async def make(streams, group="g", *names):
    await streams.groups.create(
        SCOPE, group, tags={}, log_class="STANDARD", kms_key_id=None, protected=False
    )
    for name in names:
        await streams.create(SCOPE, group, name)


async def put(streams, name, *events, group="g"):
    await streams.put(SCOPE, group, name, [NewEvent(*event) for event in events])


async def found(streams, group="g", **more):
    page = await streams.search(
        SCOPE, group, None, Range(), 10_000, back=False, wanted=lambda _: True, matches=None, **more
    )
    return [(one.key.stream, one.event.message) for one in page.events]


def test_what_is_put_is_read(run):
    async def main(streams, clock):
        await make(streams, "g", "a", "b")
        await put(streams, "a", (NOW, "one"), (NOW + 2, "three"))
        await put(streams, "b", (NOW + 1, "two"))
        return await found(streams)

    assert run(main) == [("a", "one"), ("b", "two"), ("a", "three")]


def test_older_events_that_come_later_are_sorted_in(run):
    async def main(streams, clock):
        await make(streams, "g", "a")
        await put(streams, "a", (NOW, "late"))
        await put(streams, "a", (NOW - 1000, "early"), (NOW - 500, "middle"))
        page = await streams.read(SCOPE, "g", "a", END_OF_TIME, Range(), 2, back=True)
        return await found(streams), [one.event.message for one in page]

    assert run(main) == (
        [("a", "early"), ("a", "middle"), ("a", "late")],
        ["middle", "late"],
    )


def test_events_ahead_do_not_hide_what_an_environment_writes(run):
    async def main(streams, clock):
        await make(streams)
        environment = streams.store.open(*SCOPE, "g", "s")
        environment.append(NOW, b"first")
        await streams.store.flush()
        await put(streams, "s", (NOW + 60_000, "ahead"))
        environment.append(NOW + 1, b"second")
        page = await streams.read(SCOPE, "g", "s", Key(NOW + 1), Range(), 10, back=False)
        return [one.event.message for one in page]

    assert run(main) == ["second", "ahead"]


def test_streams_are_rows_and_files(run):
    async def main(streams, clock):
        await make(streams, "g", "by hand")
        streams.store.open(*SCOPE, "g", "by itself").append(NOW, b"x")
        with pytest.raises(ResourceAlreadyExists, match="The specified log stream already exists"):
            await streams.create(SCOPE, "g", "by itself")
        with pytest.raises(ResourceAlreadyExists):
            await streams.create(SCOPE, "g", "by hand")
        return sorted((s.name, s.info is not None) for s in await streams.all(SCOPE, "g"))

    assert run(main) == [("by hand", False), ("by itself", True)]


def test_what_does_not_exist_says_so(run):
    async def main(streams, clock):
        with pytest.raises(ResourceNotFound, match="log group does not exist"):
            await streams.create(SCOPE, "none", "s")
        await make(streams)
        for operation in (
            streams.delete(SCOPE, "g", "none"),
            put(streams, "none", (NOW, "x")),
            streams.read(SCOPE, "g", "none", Key(0), Range(), 1, back=False),
        ):
            with pytest.raises(ResourceNotFound, match="log stream does not exist"):
                await operation

    run(main)


def test_a_deleted_stream_is_begun_anew_by_its_environment(run):
    async def main(streams, clock):
        await make(streams)
        environment = streams.store.open(*SCOPE, "g", "s")
        environment.append(NOW, b"before")
        await streams.store.flush()
        await streams.delete(SCOPE, "g", "s")
        empty = await found(streams)
        environment.append(NOW + 1, b"after")
        return empty, await found(streams)

    assert run(main) == ([], [("s", "after")])


def test_a_deleted_group_comes_back_with_the_next_event(run):
    async def main(streams, clock):
        environment = streams.store.open(*SCOPE, "g", "s")
        environment.append(NOW, b"before")
        await streams.store.flush()
        await streams.delete_group(SCOPE, "g")
        with pytest.raises(ResourceNotFound):
            streams.groups.get(SCOPE, "g")
        environment.append(NOW + 1, b"after")
        await streams.store.flush()
        await asyncio.sleep(0)
        return await found(streams)

    assert run(main) == [("s", "after")]
    # And it is kept.
    assert run(lambda streams, clock: found(streams)) == [("s", "after")]


def test_a_group_exists_from_its_first_environment_on(run):
    async def main(streams, clock):
        streams.store.open(*SCOPE, "/aws/lambda/f", "s")
        assert streams.groups.get(SCOPE, "/aws/lambda/f").created_ms == NOW
        return await found(streams, "/aws/lambda/f")

    assert run(main) == []

    async def again(streams, clock):
        return [group.name for group in streams.groups.all(SCOPE)]

    assert run(again) == ["/aws/lambda/f"]


def test_expired_events_are_not_shown(run):
    async def main(streams, clock):
        await make(streams, "g", "s")
        await put(streams, "s", (NOW - DAY_MS + 1000, "old"), (NOW, "new"))
        await streams.groups.set_retention(SCOPE, "g", 1)
        before = await found(streams)
        await clock.advance(1.5)
        page = await streams.read(SCOPE, "g", "s", Key(0), Range(), 10, back=False)
        return before, await found(streams), [one.event.message for one in page]

    assert run(main) == ([("s", "old"), ("s", "new")], [("s", "new")], ["new"])


def test_pages_join_without_loss(run):
    async def main(streams, clock):
        await make(streams, "g", "a", "b")
        for start in range(0, 60, 10):
            for name in "ab":
                await put(
                    streams, name, *((NOW + start + i, f"{name}{start + i}") for i in range(10))
                )
        taken, edge = [], None
        while True:
            page = await streams.search(
                SCOPE, "g", edge, Range(), 7, back=False, wanted=lambda _: True,
                matches=lambda message: not message.endswith("3"),
            )  # fmt: skip
            taken += [one.event.message for one in page.events]
            if page.following is None:
                return taken
            edge = page.following

    assert run(main) == [f"{n}{i}" for i in range(60) for n in "ab" if i % 10 != 3]


def test_a_page_is_a_megabyte(run):
    async def main(streams, clock):
        await make(streams, "g", "s")
        for i in range(5):
            await put(streams, "s", (NOW + i, "x" * 400_000))
        page = await streams.search(
            SCOPE, "g", None, Range(), 10_000, back=False, wanted=lambda _: True, matches=None
        )
        return len(page.events), page.following.time_ms

    assert run(main) == (2, NOW + 2)
