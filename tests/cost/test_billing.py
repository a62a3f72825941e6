"""Against exact arithmetic in fractions, and examples from AWS's pricing page."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from lambent.cost import prices
from lambent.cost.billing import billed_ms, dollars, invoke_cost
from lambent.cost.estimate import Usage, estimate

PRICES = prices.default()
PICO = 10**12
memory = st.integers(128, 32_768)
ephemeral = st.integers(512, 32_768)
architectures = st.sampled_from(["x86_64", "arm64"])
GB_S = {"x86_64": Fraction("0.0000166667"), "arm64": Fraction("0.0000133334")}


def test_durations_are_rounded_up_with_init_included():
    assert billed_ms(1.0) == 1
    assert billed_ms(1.01) == 2
    assert billed_ms(0.2) == 1
    assert billed_ms(0.0) == 1
    assert billed_ms(3.1, 231.2) == 235
    assert billed_ms(0.7, 0.2) == 1


@given(st.integers(1, 900_000), st.integers(0, 10_000))
def test_whole_milliseconds_stay_what_they_are(duration, init):
    assert billed_ms(float(duration), float(init)) == duration + init
    assert billed_ms(duration / 1000 * 1000) == duration  # seconds as a clock gives them


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e4))
def test_billed_is_never_short_by_more_than_a_picosecond(duration, init):
    exact = Fraction(duration) + Fraction(init)
    assert billed_ms(duration, init) >= exact - Fraction(1, 10**8)
    assert billed_ms(duration, init) - exact < 1
    assert billed_ms(duration, init) in (ceil(exact), ceil(exact) - 1)


def exact_cost(ms, mb, architecture, tmp):
    seconds = Fraction(ms, 1000)
    compute = seconds * Fraction(mb, 1024) * GB_S[architecture]
    extra = seconds * Fraction(tmp - 512, 1024) * Fraction("0.0000000309")
    return (Fraction("0.20") / 1_000_000 + compute + extra) * PICO


@given(st.integers(1, 910_000), memory, architectures, ephemeral)
def test_an_invoke_costs_what_exact_arithmetic_says(ms, mb, architecture, tmp):
    cost = invoke_cost(PRICES, ms, mb, architecture, tmp)
    assert isinstance(cost, int)
    assert abs(cost - exact_cost(ms, mb, architecture, tmp)) <= Fraction(1, 2)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(0, 10**10), memory, architectures, ephemeral),
        max_size=5,
    )
)
def test_an_estimate_is_the_exact_sum(shapes):
    usage = [Usage(n, ms, mb, arch, tmp) for n, ms, mb, arch, tmp in shapes]
    found = estimate(PRICES, usage)
    exact = sum(
        exact_cost(ms, mb, arch, tmp) + (n - 1) * Fraction("0.20") / 1_000_000 * PICO
        for n, ms, mb, arch, tmp in shapes
    )
    assert abs(found.total - exact) <= 1
    free = estimate(PRICES, usage, free_tier=True)
    assert 0 <= free.total <= found.total
    assert free.total >= found.total - found.free_tier - free.free_tier


def test_aws_example_of_a_month():
    """3 million requests of 120 ms at 1,536 MB: $2.73 of compute and $0.40 of requests."""
    found = estimate(PRICES, [Usage(3_000_000, 3_000_000 * 120, 1536)], free_tier=True)
    free_requests = 1_000_000 * 200_000
    assert found.requests - free_requests == 400_000_000_000
    assert dollars(found.duration - (found.free_tier - free_requests)) == "$2.33"
    assert dollars(found.total) == "$2.73"


def test_the_free_tier_is_used_up_once():
    half = Usage(600_000, 600_000 * 1000, 512)
    found = estimate(PRICES, [half, half], free_tier=True)
    assert found.requests - 1_000_000 * 200_000 == 200_000 * 200_000
    gb_s = 600_000 - 400_000
    assert found.total == 200_000 * 200_000 + gb_s * 16_666_700


def test_dollars():
    assert dollars(2_158_337) == "$0.00000216"
    assert dollars(0) == "$0.00"
    assert dollars(1) == "$0.000000000001"
    assert dollars(10_000) == "$0.00000001"
    assert dollars(PICO // 100) == "$0.0100"
    assert dollars(PICO) == "$1.00"
    assert dollars(1_234_567 * PICO + PICO // 2) == "$1,234,567.50"
    assert dollars(-2_160_000) == "-$0.00000216"


@given(st.integers(0, 10**18))
def test_dollars_are_within_half_of_the_last_digit(pico):
    text = dollars(pico).removeprefix("$").replace(",", "")
    digits = len(text.partition(".")[2])
    assert abs(Decimal(text) - Decimal(pico) / PICO) <= Decimal(1) / 10**digits / 2
