from lambent.observe.tail import TAIL_BYTES, LogTail, tail_of


def test_short_logs_are_whole():
    assert tail_of([b"START", b"x", b"END"]) == b"START\nx\nEND\n"
    assert tail_of([]) == b""


def test_the_last_4_kb_are_kept():
    messages = [b"%04d" % n + b"x" * 95 for n in range(200)]
    whole = b"".join(message + b"\n" for message in messages)
    tail = LogTail()
    for message in messages:
        tail.append(message)
    assert tail_of(messages) == tail.text() == whole[-TAIL_BYTES:]
    assert len(tail._messages) < 50


def test_a_character_is_not_cut_through():
    text = tail_of(["🐑".encode() * 3000])
    assert len(text) <= TAIL_BYTES
    assert text.decode().strip("🐑") == "\n"


def test_a_single_huge_event_and_exactly_4_kb():
    assert tail_of([b"a" * 10_000]) == b"a" * 4095 + b"\n"
    tail = LogTail()
    tail.append(b"early")
    tail.append(b"a" * 4095)
    assert tail.text() == b"a" * 4095 + b"\n"
    assert tail._size == 4096
