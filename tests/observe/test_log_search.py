"""A request is found in the files by its id, over rotations and block borders."""

from lambent.observe import log_search
from lambent.observe.log_search import around, locate

ACCOUNT, REGION = "123456789012", "us-east-1"
ID = "8f5d5e8c-3c64-4b7a-9d0c-5a1d1b8a2f61"


def find(logs, beginning):
    return locate(logs.reader, ACCOUNT, REGION, beginning)


def test_the_line_that_names_it_and_what_stands_around(run_logs):
    async def main(logs):
        stream = logs.open("busy", group="/other")
        for n in range(500):
            stream.append(1000 + n, b"line %d" % n)
        stream.append(2000, f"START RequestId: {ID} Version: 1".encode())
        stream.append(2000, b"said")
        stream.append(2001, f"REPORT RequestId: {ID}\t".encode())
        logs.open("quiet").append(3000, f"it speaks of {ID}".encode())
        await logs.store.flush()
        place = find(logs, ID[:8])
        assert place == ("/other", "busy", 2000)
        texts = [event.message for event in around(logs.reader, ACCOUNT, REGION, place)]
        assert texts[-4:] == [
            "line 499", f"START RequestId: {ID} Version: 1", "said", f"REPORT RequestId: {ID}\t",
        ]  # fmt: skip
        assert len(texts) == log_search.BEFORE_EVENTS + 3
        assert find(logs, "00000000") is None
        assert locate(logs.reader, ACCOUNT, "eu-west-1", ID) is None

    run_logs(main)


def test_in_json_format_and_anywhere_in_a_large_file(run_logs):
    async def main(logs):
        stream = logs.open()
        for n in range(200):  # 2.6 MB: the id lies on every side of some border between blocks
            stream.append(n, b"x" * 13_000)
            line = f'{{"type":"platform.start","record":{{"requestId":"{n:08d}-3c64"}}}}'
            stream.append(n, line.encode())
        await logs.store.flush()
        for n in range(200):
            place = find(logs, f"{n:08d}-3c64")
            assert place is not None
            assert place.time_ms == n

    run_logs(main)


def test_logs_that_are_too_large_are_given_up(run_logs, monkeypatch):
    async def main(logs):
        logs.open().append(1, b"x")
        await logs.store.flush()
        monkeypatch.setattr(log_search, "MAX_SEARCH_S", -1)
        try:
            find(logs, ID)
        except TimeoutError:
            return
        raise AssertionError("it went on")

    run_logs(main)
