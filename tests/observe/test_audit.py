"""The audit trail's files: written in order, rotated, bounded, and readable after a crash."""

import stat
import threading

import pytest

from lambent.observe import audit
from lambent.observe.audit import CURRENT, AuditTrail, read


@pytest.fixture
def trail(tmp_path):
    made = AuditTrail(tmp_path / "audit", file_bytes=2_000, files_max=3)
    made.start()
    yield made
    made.close()


def everything(_record):
    return True


def test_records_are_read_newest_last_and_for_the_owner_alone(trail):
    for number in range(10):
        trail.append(lambda n=number: {"n": n})
    trail.flush()
    assert [one["n"] for one in read(trail.root, everything, 3)] == [7, 8, 9]
    assert [one["n"] for one in read(trail.root, lambda r: r["n"] % 5 == 0, 9)] == [0, 5]
    assert stat.S_IMODE((trail.root / CURRENT).stat().st_mode) == 0o600


def test_files_are_rotated_and_the_oldest_deleted(trail):
    for number in range(8):
        trail.append(lambda n=number: {"n": n, "text": "x" * 2_000})
        trail.flush()
    names = sorted(file.name for file in trail.root.iterdir())
    assert len(names) <= 3
    assert read(trail.root, everything, 100)[-1]["n"] == 7


def test_a_line_that_was_cut_off_costs_no_other(trail):
    trail.append(lambda: {"n": 1})
    trail.flush()
    with (trail.root / CURRENT).open("ab") as file:
        file.write(b'{"n": 2, "te')
    assert read(trail.root, everything, 9) == [{"n": 1}]


def test_a_record_that_cannot_be_made_costs_no_other(trail):
    trail.append(lambda: {"n": 1})
    trail.append(lambda: 1 / 0)
    trail.append(lambda: {"n": 3})
    trail.flush()
    assert [one["n"] for one in read(trail.root, everything, 9)] == [1, 3]


def test_what_does_not_fit_is_counted(trail, monkeypatch):
    monkeypatch.setattr(audit, "PENDING_MAX", 5)
    hold = threading.Event()
    trail.append(lambda: (hold.wait(30), {"n": -1})[1])
    while trail._pending:  # until the writer holds it
        hold.wait(0.01)
    for number in range(9):
        trail.append(lambda n=number: {"n": n})
    hold.set()
    trail.flush()
    found = read(trail.root, everything, 99)
    assert [one.get("n") for one in found] == [-1, 0, 1, 2, 3, 4, None]
    assert found[-1] == {"eventName": "RecordsDropped", "count": 4}
