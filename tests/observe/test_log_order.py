import asyncio
import random

import pytest

from lambent.observe import log_paths
from lambent.observe.log_order import (
    Key,
    Stretch,
    ascending,
    descending,
    interleaved,
    interleaved_backward,
)
from lambent.observe.logs import format_line

END = Key(2**63)


def write(path, batches, *, older=()):
    """Batches of (ingest, [times])."""
    for file, some in ((log_paths.rotated(path), older), (path, batches)):
        lines = [
            format_line(time, ingest, f"{time}:{ingest}:{n}")
            for ingest, times in some
            for n, time in enumerate(times)
        ]
        if lines:
            file.write_bytes(b"".join(lines))


def texts(found):
    return [one.event.message for one in found]


def batches(rng, count, start=1_000_000, biggest=40):
    """Events in order, many with the same time, some batches larger than a step of a walk."""
    time, found = start, []
    for _ in range(count):
        size = rng.choice([1, 2, 5, biggest])
        times = []
        for _ in range(size):
            time += rng.choice([0, 0, 1, 3])
            times.append(time)
        found.append((time + rng.choice([0, 1]) + len(found), times))
    return [(ingest + i, times) for i, (ingest, times) in enumerate(found)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_both_ways_from_every_place(tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / "s.log"
    some = batches(rng, 60, biggest=300)
    cut = len(some) // 2
    write(path, some[cut:], older=some[:cut])
    whole = list(ascending(path, "s", Key(0)))
    assert len(whole) == sum(len(times) for _, times in some)
    assert [one.key for one in whole] == sorted(one.key for one in whole)
    assert list(descending(path, "s", END)) == whole[::-1]
    for place in rng.sample(range(len(whole)), 12):
        key = whole[place].key
        assert list(ascending(path, "s", key)) == whole[place:]
        assert list(ascending(path, "s", key.after())) == whole[place + 1 :]
        assert list(descending(path, "s", key)) == whole[:place][::-1]
        moment = Key(key.time_ms)
        assert list(ascending(path, "s", moment)) == [one for one in whole if one.key >= moment]
        assert list(descending(path, "s", moment)) == [
            one for one in whole[::-1] if one.key < moment
        ]


def test_a_batch_over_two_files_keeps_its_numbers(tmp_path):
    path = tmp_path / "s.log"
    write(path, [(7, [5, 5, 5])])
    whole = [one.key for one in ascending(path, "s", Key(0))]
    path.rename(log_paths.rotated(path))
    lines = log_paths.rotated(path).read_bytes().splitlines(keepends=True)
    log_paths.rotated(path).write_bytes(lines[0])
    path.write_bytes(b"".join(lines[1:]))
    assert [one.key for one in ascending(path, "s", Key(0))] == whole
    assert [one.key for one in ascending(path, "s", whole[1])] == whole[1:]
    assert [one.key for one in descending(path, "s", whole[2])] == whole[:2][::-1]


def test_a_marked_stream_is_sorted(tmp_path):
    rng = random.Random(1)
    path = tmp_path / "s.log"
    times = [rng.randrange(1000, 9000) for _ in range(700)]
    write(path, [(10_000 + i, [time]) for i, time in enumerate(times)])
    log_paths.unsorted_mark(path).touch()
    whole = list(ascending(path, "s", Key(0)))
    assert [one.key.time_ms for one in whole] == sorted(times)
    assert list(descending(path, "s", END)) == whole[::-1]
    assert list(ascending(path, "s", whole[300].key)) == whole[300:]


@pytest.mark.parametrize("seed", range(4))
def test_many_streams_as_one(tmp_path, seed):
    rng = random.Random(seed)
    streams, backward, everything = [], [], []
    for name in (f"s{i}" for i in range(30)):
        path = tmp_path / f"{name}.log"
        write(path, batches(rng, rng.randrange(1, 12), start=rng.randrange(1000, 1400), biggest=90))
        whole = list(ascending(path, name, Key(0)))
        everything += whole
        streams.append(Stretch(path, name, whole[0].key.time_ms))
        backward.append(Stretch(path, name, whole[-1].key.time_ms))
    everything.sort()
    assert list(interleaved(streams, Key(0))) == everything
    assert list(interleaved_backward(backward, END)) == everything[::-1]
    middle = everything[len(everything) // 2].key
    assert list(interleaved(streams, middle)) == [one for one in everything if one.key >= middle]
    assert list(interleaved_backward(backward, middle)) == [
        one for one in everything[::-1] if one.key < middle
    ]


def test_no_stream_is_nothing(tmp_path):
    assert list(interleaved([], Key(0))) == []
    assert list(interleaved_backward([], END)) == []
    assert list(ascending(tmp_path / "none.log", "s", Key(0))) == []
    assert list(descending(tmp_path / "none.log", "s", END)) == []


def test_a_walk_goes_on_over_a_rotation(run_logs):
    async def main(logs):
        stream = logs.open()
        for i in range(3000):
            stream.append(1000 + i, b"x" * 100)
        await logs.store.flush()
        [path] = logs.reader.files("123456789012", "us-east-1", "/aws/lambda/f")
        walk = ascending(path, "s", Key(0))
        taken = [next(walk) for _ in range(10)]
        path.rename(log_paths.rotated(path))
        path.touch()
        await asyncio.sleep(0)
        return [one.key.time_ms for one in [*taken, *walk]]

    assert run_logs(main) == list(range(1000, 4000))
