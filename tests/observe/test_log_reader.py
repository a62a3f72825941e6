"""Order, limits, filters and following, over many streams and rotations."""

import random

from lambent.observe import log_paths
from lambent.observe.log_reader import Position


def fill(logs, count=1000, streams=7, seed=1):
    """Events whose time is their number, spread over streams and nearly in order."""
    shuffled = random.Random(seed)
    times = sorted(range(count), key=lambda n: n + shuffled.random() * 20)
    for n in times:
        logs.open(f"s{n % streams}").append(n, b"%d" % n)


def test_events_of_all_streams_come_in_the_order_of_time(run_logs):
    async def main(logs):
        fill(logs)
        await logs.store.flush()
        assert logs.texts() == [str(n) for n in range(1000)]
        assert logs.texts(newest=True) == [str(n) for n in range(1000)]
        assert logs.texts(stream="s3") == [str(n) for n in range(3, 1000, 7)]

    run_logs(main)


def test_limits_take_the_earliest_or_the_latest(run_logs):
    async def main(logs):
        fill(logs)
        await logs.store.flush()
        assert logs.texts(limit=10) == [str(n) for n in range(10)]
        assert logs.texts(limit=10, newest=True) == [str(n) for n in range(990, 1000)]
        assert logs.texts(since_ms=500, until_ms=505) == ["500", "501", "502", "503", "504"]
        assert logs.texts(since_ms=500, limit=3) == ["500", "501", "502"]
        assert logs.texts(until_ms=500, limit=3, newest=True) == ["497", "498", "499"]
        assert logs.texts(keep=lambda e: e.message.endswith("99")) == [
            str(n) for n in range(99, 1000, 100)
        ]
        assert logs.texts(keep=lambda e: e.message == "500", limit=1, newest=True) == ["500"]

    run_logs(main)


def test_an_answer_is_bounded_in_bytes(run_logs):
    async def main(logs):
        for n in range(60):
            logs.open(f"s{n % 2}").append(n, b"x" * 256 * 1024)
            await logs.store.flush()
        assert 20 < len(logs.events()) < 40
        assert [e.time_ms for e in logs.events(newest=True)][-1] == 59

    run_logs(main)


def test_since_finds_its_place_in_a_large_file(run_logs):
    async def main(logs):
        stream = logs.open()
        clock = logs.store._clock
        start = clock.time_ms()
        for n in range(200):
            for _ in range(20):
                stream.append(clock.time_ms(), b"%d" % n + b" " * 500)
            await logs.store.flush()
            await clock.advance(10)
        for n in (0, 1, 57, 123, 199):
            texts = logs.texts(since_ms=start + n * 10_000)
            assert len(texts) == (200 - n) * 20
            assert int(texts[0]) == n

    run_logs(main)


def test_streams_and_groups_are_listed(run_logs):
    async def main(logs):
        clock = logs.store._clock
        logs.open("a").append(5, b"x")
        await logs.store.flush()
        await clock.advance(10)
        logs.open("b").append(7, b"y")
        logs.open("b").append(9, b"z")
        logs.open("c", group="/other").append(1, b"w")
        await logs.store.flush()
        streams = logs.streams()
        assert [(s.name, s.first_ms, s.last_ms) for s in streams] == [("b", 7, 9), ("a", 5, 5)]
        assert streams[0].last_ingest_ms == clock.time_ms()
        assert streams[0].stored_bytes > 0
        assert logs.reader.groups("123456789012", "us-east-1") == ["/aws/lambda/f", "/other"]
        assert logs.reader.groups("123456789012", "eu-west-1") == []
        assert logs.streams("/none") == []
        assert logs.texts(group="/none") == []

    run_logs(main)


def test_following_sees_everything_once_whatever_the_page(run_logs):
    async def main(logs):
        for page in (1, 7, 1000):
            position = Position(logs.store.written_ms + 1)
            seen, written = [], []
            for turn in range(20):
                for n in range(13):
                    name = f"{page} {turn} {n}"
                    written.append(name)
                    logs.open(f"s{n % 4}").append(turn, name.encode())
                await logs.store.flush()
                if turn % 3 == 0:
                    continue
                while True:
                    events, position = logs.follow(position, limit=page)
                    assert len(events) <= page
                    seen += [event.message for event in events]
                    if not events:
                        break
            assert sorted(seen) == sorted(written)

    run_logs(main)


def test_following_goes_on_over_a_rotation(run_logs):
    async def main(logs):
        position = Position(0)
        seen = []
        for n in range(30):
            logs.open().append(n, b"%d " % n + b"x" * 100_000)
            await logs.store.flush()
            if n % 4 == 0:
                events, position = logs.follow(position)
                seen += [int(event.message.split()[0]) for event in events]
        assert seen == list(range(29))

    run_logs(main, max_mb=1)


def test_a_batch_larger_than_a_page_is_followed_to_its_end(run_logs):
    async def main(logs):
        for n in range(80):
            logs.open(f"s{n % 3}").append(1, b"%d " % n + b"x" * 250_000)
        await logs.store.flush()
        position, seen = Position(0), []
        while True:
            events, position = logs.follow(position)
            if not events:
                break
            seen += [int(event.message.split()[0]) for event in events]
        assert sorted(seen) == list(range(80))

    run_logs(main, max_stream_bytes=1 << 30)


def test_events_of_one_millisecond_keep_the_order_of_writing(run_logs):
    async def main(logs):
        for n in range(600):  # more than the window in which events are sorted
            logs.open().append(7, b"%d" % n)
        logs.open("other").append(7, b"apart")
        await logs.store.flush()
        written = [str(n) for n in range(600)]
        assert logs.texts(stream="s") == written
        assert logs.texts(stream="s", newest=True) == written
        assert logs.texts(stream="s", newest=True, limit=3) == written[-3:]
        of_stream = [text for text in logs.texts(newest=True) if text != "apart"]
        assert of_stream == written

    run_logs(main)


def test_a_listing_follows_what_changes(run_logs):
    async def main(logs):
        where = ("123456789012", "us-east-1", "/aws/lambda/f")
        stream = logs.open("a")
        stream.append(1000, b"x")
        await logs.store.flush()
        [first] = logs.reader.listing(*where)
        assert (first.info.name, first.info.first_ms, first.info.last_ms) == ("a", 1000, 1000)
        stream.append(2000, b"y")
        await logs.store.flush()
        log_paths.unsorted_mark(first.path).touch()
        [second] = logs.reader.listing(*where)
        assert (second.info.first_ms, second.info.last_ms, second.unsorted) == (1000, 2000, True)
        assert logs.reader.info(first.path) == second.info
        assert logs.reader.all_groups() == [where]
        assert logs.reader.stored_bytes(*where) == second.info.stored_bytes
        assert list(logs.reader.listing(*where, since_ms=2**62)) == []
        await logs.store.alter(lambda files, _: files.remove_group(first.path.parent))
        return list(logs.reader.listing(*where)), logs.reader.all_groups()

    assert run_logs(main) == ([], [])
