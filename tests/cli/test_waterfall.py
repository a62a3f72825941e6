"""Phases from the server's clock and from the log, and what is not known staying unknown."""

from lambent.cli import waterfall
from lambent.cli.waterfall import Phase
from lambent.delivery.log_events import Event

ID = "8f5d5e8c-3c64-4b7a-9d0c-5a1d1b8a2f61"
WARM = {"made": -90_000.0, "init_started": -89_990.0, "ready": -89_800.0, "delivered": 0.5,
        "answered": 3.5, "handed_on": 3.7, "cold": False}  # fmt: skip


def by_name(phases: list[Phase]) -> dict[str, tuple[float | None, float | None]]:
    return {phase.name: (phase.start_ms, phase.duration_ms) for phase in phases}


def test_warm() -> None:
    assert by_name(waterfall.measured(WARM)) == {
        "queue": (0.0, 0.5), "handler": (0.5, 3.0), "response": (3.5, 0.2),
    }  # fmt: skip


def test_an_environment_that_was_begun_for_another_request_counts_from_admission() -> None:
    offsets = WARM | {"made": -20.0, "init_started": -10.0, "ready": 30.0, "delivered": 30.0,
                      "answered": 33.0, "handed_on": 33.0, "cold": True}  # fmt: skip
    assert by_name(waterfall.measured(offsets)) == {
        "queue": (0.0, 0.0), "start": (0.0, 0.0), "init": (0.0, 30.0), "handler": (30.0, 3.0),
        "response": (33.0, 0.0),
    }  # fmt: skip


def test_init_again_inside_the_call() -> None:
    offsets = WARM | {"init_started": 2.0, "ready": 52.0, "delivered": 1.0, "answered": 60.0,
                      "handed_on": 60.5}  # fmt: skip
    assert by_name(waterfall.measured(offsets)) == {
        "queue": (0.0, 1.0), "init": (2.0, 50.0), "handler": (52.0, 8.0), "response": (60.0, 0.5),
    }  # fmt: skip


def log(*messages: tuple[int, str]) -> list[Event]:
    return [Event(time, "s", message) for time, message in messages]


REPORT = (
    f"REPORT RequestId: {ID}\tDuration: 3.10 ms\tBilled Duration: 235 ms\tMemory Size: 512 MB"
    "\tMax Memory Used: 61 MB\t"
)


def test_from_the_log_of_a_cold_start() -> None:
    lines = waterfall.read(
        log(
            (1000, "INIT_START Runtime Version: x"),
            (1240, f"START RequestId: {ID} Version: 3"),
            (1243, REPORT + "Init Duration: 231.40 ms\t"),
        )
    )
    assert (lines.request_id, lines.version, lines.status) == (ID, "3", "success")
    phases = waterfall.from_log(lines)
    assert by_name(phases) == {
        "queue": (None, None), "start": (None, None), "init": (0.0, 231.4),
        "handler": (240.0, 3.1), "response": (None, None),
    }  # fmt: skip
    assert waterfall.total_ms(phases) == 243.1


def test_from_the_log_of_one_that_never_ended() -> None:
    lines = waterfall.read(log((1000, f"START RequestId: {ID} Version: 3")))
    assert lines.status == "unfinished"
    assert waterfall.total_ms(waterfall.from_log(lines)) == 0
    timed_out = waterfall.read(log((1000, REPORT + "Status: timeout")))
    assert timed_out.status == "timeout"


def test_bars_stay_inside() -> None:
    for start, duration in ((0.0, 100.0), (99.99, 0.0), (50.0, 50.0), (0.0, 0.0)):
        bar = waterfall.bar(Phase("x", start, duration, "server"), 100.0, 20)
        assert 0 < len(bar) <= 20
        assert "█" in bar
    assert waterfall.bar(Phase("x", None, None, None), 100.0, 20) == ""
