import pytest

from lambent.errors import InvalidParameter
from lambent.observe.log_put import DAY_MS, MAX_BATCH_BYTES, NewEvent, judge

NOW = 1_700_000_000_000
HOUR_MS = 3_600_000


def verdict(*times, kept_from_ms=0):
    return judge([NewEvent(time, "x") for time in times], NOW, kept_from_ms)


def test_everything_of_today_is_taken():
    assert verdict(NOW - HOUR_MS, NOW, NOW + HOUR_MS) == (0, 3, 0, 0)


def test_what_is_older_than_two_weeks_is_counted_from_the_start():
    assert verdict(NOW - 14 * DAY_MS - 1, NOW - 13 * DAY_MS - 23 * HOUR_MS) == (1, 2, 1, 0)


def test_what_is_two_hours_ahead_is_counted_from_the_end():
    assert verdict(NOW, NOW + 2 * HOUR_MS, NOW + 2 * HOUR_MS + 1) == (0, 2, 0, 0)


def test_what_the_group_no_longer_keeps_is_expired():
    found = verdict(NOW - 2 * DAY_MS, NOW - HOUR_MS, kept_from_ms=NOW - DAY_MS)
    assert found == (1, 2, 0, 1)


def test_the_span_is_of_what_is_taken():
    assert verdict(NOW - 20 * DAY_MS, NOW).first == 1
    with pytest.raises(InvalidParameter, match="cannot span more than 24 hours"):
        verdict(NOW - DAY_MS - 1, NOW)


def test_the_order_is_the_clients():
    with pytest.raises(InvalidParameter, match="must be in chronological order"):
        verdict(NOW, NOW - 1)


def test_a_batch_is_a_megabyte_with_26_bytes_an_event():
    judge([NewEvent(NOW, "x" * (MAX_BATCH_BYTES - 26))], NOW, 0)
    with pytest.raises(InvalidParameter, match="Log event too large: 1048577 bytes exceeds limit"):
        judge([NewEvent(NOW, "x" * (MAX_BATCH_BYTES - 25))], NOW, 0)
    half = "é" * (MAX_BATCH_BYTES // 4 - 13)
    judge([NewEvent(NOW, half)] * 2, NOW, 0)
    with pytest.raises(InvalidParameter, match="Upload too large: 1048577 bytes exceeds limit"):
        judge([NewEvent(NOW, half), NewEvent(NOW, half + "x")], NOW, 0)
