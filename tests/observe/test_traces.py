"""The store of segments: what is kept, what goes, and what a datagram has to be."""

from __future__ import annotations

import json

import pytest

from lambent.observe import traces
from lambent.observe.traces import Traces, parse

SCOPE = ("123456789012", "us-east-1")
HEAD = b'{"format": "json", "version": 1}\n'


def document(nth):
    return {"trace_id": f"1-{nth}", "id": "a", "name": "n", "start_time": 1.5}


def test_the_oldest_traces_go_when_there_are_too_many_or_too_large():
    store = Traces(most_traces=3, most_bytes=1_000)
    for nth in range(5):
        assert store.add(SCOPE, document(nth), 100)
        store.name_request(SCOPE, f"r{nth}", f"1-{nth}")
    kept = [nth for nth in range(5) if store.find(*SCOPE, f"r{nth}")]
    assert kept == [2, 3, 4]
    store.add(SCOPE, document(4), 850)
    assert [nth for nth in range(5) if store.find(*SCOPE, f"r{nth}")] == [4]


def test_one_trace_has_a_share_only():
    store = Traces()
    assert not store.add(SCOPE, document(1), traces.MOST_OF_ONE + 1)
    for _ in range(traces.MOST_DOCUMENTS):
        assert store.add(SCOPE, document(1), 1)
    assert not store.add(SCOPE, document(1), 1)
    assert store.dropped == 2


def test_a_document_as_the_sdk_sends_it():
    assert parse(HEAD + json.dumps(document(1)).encode()) == document(1)


@pytest.mark.parametrize(
    "datagram",
    [
        b"", b"\n", HEAD, HEAD + b"[]", HEAD + b"{}", HEAD + b"\xff", HEAD + b"[" * 60_000,
        b'{"format":"json","version":2}\n' + json.dumps(document(1)).encode(),
        HEAD + json.dumps(document(1) | {"start_time": "1"}).encode(),
        HEAD + json.dumps(document(1) | {"trace_id": 5}).encode(),
    ],
)  # fmt: skip
def test_anything_else_is_nothing(datagram):
    assert parse(datagram) is None
