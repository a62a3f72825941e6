import pytest

from lambent.cli import report

LINE = (
    "REPORT RequestId: 4f0c\tDuration: 3.10 ms\tBilled Duration: 235 ms\tMemory Size: 512 MB\t"
    "Max Memory Used: 61 MB\tInit Duration: 231.40 ms\t"
)


def test_every_member() -> None:
    found = report.parse(f"START RequestId: 4f0c Version: 1\nhello\nEND RequestId: 4f0c\n{LINE}\n")
    assert found == report.Report(3.1, 235, 512, 61, 231.4)
    assert found.line() == "Duration 3.1 ms  Init 231 ms  Billed 235 ms  Memory 61/512 MB"
    assert report.dollars(found, "x86_64", 512) == "$0.00000216"


def test_a_restored_environment() -> None:
    line = LINE.replace(
        "Init Duration: 231.40 ms", "Restore Duration: 5.20 ms\tBilled Restore Duration: 6 ms"
    )
    found = report.parse(line)
    assert found is not None
    assert (found.init_ms, found.restore_ms) == (None, 5.2)


def test_arm_is_cheaper_and_tmp_costs() -> None:
    found = report.parse(LINE)
    assert found is not None
    x86 = report.dollars(found, "x86_64", 512)
    assert report.dollars(found, "arm64", 512) < x86 < report.dollars(found, "x86_64", 10_240)


@pytest.mark.parametrize("tail", ["", "no report here", "REPORT RequestId: x\tDuration: 1 ms"])
def test_without_a_whole_line_there_is_none(tail: str) -> None:
    assert report.parse(tail) is None
