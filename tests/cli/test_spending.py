"""Scaling what was seen: exact where nothing is scaled, and stated where something is."""

import pytest

from lambent.cli import spending
from lambent.cli.report import Report
from lambent.cost import billing, prices
from lambent.delivery.problem import Problem

PRICES = prices.default()


def observed(count: int = 1000, billed_ms: int = 40, memory_mb: int = 512):
    reports = [
        Report(1.0, billed_ms, memory_mb, 50, 10.0 if n == 0 else None) for n in range(count)
    ]
    return spending.gather(reports, "x86_64", 512)


def rows(changes: list[str], assume: str = "same", *, free_tier: bool = False, seen=None):
    found = spending.what_if(
        PRICES, seen or observed(), 30_000, spending.parse_changes(changes),
        assume=assume, free_tier=free_tier,
    )  # fmt: skip
    return {row.label: row for row in found}


def test_one_shape_is_the_sum_of_its_invokes() -> None:
    seen = observed()
    assert (seen[0].requests, seen[0].billed_ms, seen[0].cold_starts) == (1000, 40_000, 1)
    exact = sum(billing.invoke_cost(PRICES, 40, 512) for _ in range(1000))
    assert abs(spending.spent(PRICES, seen).total - exact) <= 500  # each of those was rounded


def test_a_day_makes_a_month() -> None:
    requests, cost = spending.month(PRICES, observed(), 86_400, free_tier=False)
    assert requests == 30_000
    assert cost.total == 30 * spending.spent(PRICES, observed()).total
    assert spending.month(PRICES, observed(), 86_400, free_tier=True)[1].total == 0


def test_memory_with_durations_that_stay() -> None:
    found = rows(["memory=512,1024"])
    assert found["memory=1024"].billed_ms == found["memory=512"].billed_ms == 1_200_000
    assert found["memory=1024"].cost.duration == 2 * found["memory=512"].cost.duration


def test_memory_with_durations_that_follow_the_cpu() -> None:
    found = rows(["memory=256,512,1024,1769,3538"], "cpu")
    assert found["memory=1024"].billed_ms * 2 == found["memory=512"].billed_ms
    assert found["memory=256"].billed_ms == found["memory=512"].billed_ms * 2
    assert found["memory=1024"].cost.duration == found["memory=512"].cost.duration
    # Past one vCPU a single thread is not any faster.
    assert found["memory=3538"].billed_ms == found["memory=1769"].billed_ms


def test_an_invoke_is_never_billed_less_than_a_millisecond() -> None:
    found = rows(["memory=1769"], "cpu", seen=observed(billed_ms=1, memory_mb=128))
    assert found["memory=1769"].billed_ms == 30_000


def test_other_shapes() -> None:
    found = rows(["architecture=x86_64,arm64", "ephemeral=512,1024"])
    assert list(found) == [
        "architecture=x86_64 ephemeral=512", "architecture=x86_64 ephemeral=1024",
        "architecture=arm64 ephemeral=512", "architecture=arm64 ephemeral=1024",
    ]  # fmt: skip
    arm = found["architecture=arm64 ephemeral=512"].cost
    assert arm.total < found["architecture=x86_64 ephemeral=512"].cost.total
    assert (arm.ephemeral, found["architecture=arm64 ephemeral=1024"].cost.ephemeral > 0) == (
        0,
        True,
    )


def test_sizes_that_changed_on_the_way_are_kept_apart() -> None:
    seen = spending.gather(
        [Report(1, 10, 512, 50), Report(1, 10, 1024, 50), Report(1, 10, 512, 50)], "arm64", 512
    )
    assert [(one.shape.memory_mb, one.requests) for one in seen] == [(512, 2), (1024, 1)]
    assert rows(["requests=3"], seen=seen)["requests=3"].billed_ms == 30


@pytest.mark.parametrize(
    "item",
    ["", "memory", "memory=", "memory=x", "memory=127", "memory=1e99", "memory=nan", "memory=inf",
     "requests=0", "requests=-1", "requests=1.5", "timeout=3", "architecture=", "ephemeral=1"],
)  # fmt: skip
def test_what_cannot_be_read(item: str) -> None:
    with pytest.raises(Problem) as caught:
        spending.parse_changes([item])
    assert (caught.value.code, caught.value.exit_code) == ("WHAT_IF_INVALID", 2)
