"""The SQL of the event queue: order, leases, and what a dead server leaves."""

import apsw
import pytest

from lambent.store import event_queue as table
from lambent.store import schema
from lambent.store.event_queue import NewEvent, QueueKey, Retry

F = QueueKey("123456789012", "us-east-1", "f", "")
LIVE = F._replace(qualifier="live")


@pytest.fixture
def db(tmp_path):
    connection = apsw.Connection(str(tmp_path / "q.db"))
    connection.pragma("foreign_keys", True)
    schema.migrate(connection, schema.load())
    yield connection
    connection.close()


def event(request, *, key=F, at=1000, lease=None, payload=b"{}"):
    return NewEvent(key, request, payload, None, "", at, lease, "tenant")


def names(claimed):
    return [row.request_id for row in claimed[0]]


def test_claims_are_in_order_and_leave_what_is_not_due_leased_or_of_another_queue(db):
    table.insert(db, [event("a", at=1000), event("b", at=900), event("c", at=2000)])
    table.insert(db, [event("d", lease="other"), event("e", key=LIVE)])
    claimed = table.claim(db, "me", F, 1500, 10)
    assert names(claimed) == ["b", "a"]
    assert claimed[1] == 2000
    assert names(table.claim(db, "me", F, 1500, 10)) == []
    assert table.claim(db, "me", F, 2000, 10)[1] is None


def test_a_claim_takes_no_more_than_asked(db):
    table.insert(db, [event(str(n)) for n in range(5)])
    assert names(table.claim(db, "me", F, 1000, 2)) == ["0", "1"]
    assert names(table.claim(db, "me", F, 1000, 9)) == ["2", "3", "4"]


def test_payloads_stand_apart_and_go_with_their_event(db):
    (row,) = table.insert(db, [event("a", payload=b"\x00\xff" * 1000)])
    assert table.payload(db, row) == (b"\x00\xff" * 1000, None, "", "tenant")
    assert table.claim(db, "me", F, 1000, 1)[0][0].size == 2000
    assert table.settle(db, [row], []) is None
    assert table.payload(db, row) is None
    assert db.execute("SELECT count(*) FROM event_payload").get == 0


def test_a_retry_waits_for_its_time_with_its_counts(db):
    first, second = table.insert(db, [event("a", lease="me"), event("b", at=1200, lease="me")])
    assert table.settle(db, [], [Retry(first, 61_000, 1, 2)]) == 1000
    assert table.claim(db, "me", F, 60_999, 10) == ([], 61_000)
    (row,), _ = table.claim(db, "me", F, 61_000, 10)
    assert (row.id, row.accepted_ms, row.attempts, row.faults) == (first, 1000, 1, 2)
    assert table.settle(db, [first], []) == 1200
    assert table.settle(db, [second], []) is None


def test_release_gives_back_only_ones_own(db):
    table.insert(db, [event("a", lease="me"), event("b", lease="other")])
    table.release(db, "me")
    assert names(table.claim(db, "x", F, 1000, 10)) == ["a"]


def test_recover_voids_the_leases_of_the_dead_and_says_what_waits(db):
    table.insert(db, [event("a", lease="dead"), event("b", at=500), event("c", key=LIVE, at=700)])
    assert sorted(table.recover(db)) == [(F, 2, 500), (LIVE, 1, 700)]
    assert names(table.claim(db, "me", F, 1000, 10)) == ["b", "a"]


def test_finding_work_reads_an_index_only(db):
    plans = [
        db.execute(
            "EXPLAIN QUERY PLAN SELECT id, request_id FROM event_queue WHERE lease IS NULL"
            " AND account=? AND region=? AND name=? AND qualifier=? AND due_ms<=?"
            " ORDER BY due_ms, id LIMIT ?",
            (*F, 1, 1),
        ).fetchall(),
        db.execute(
            "EXPLAIN QUERY PLAN SELECT min(due_ms) FROM event_queue WHERE lease IS NULL"
            " AND account=? AND region=? AND name=? AND qualifier=?",
            F,
        ).fetchall(),
    ]
    for plan in plans:
        text = " ".join(str(step) for step in plan)
        assert "event_queue_waiting" in text
        assert "TEMP B-TREE" not in text
