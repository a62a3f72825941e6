"""What an invoke costs: AWS's arithmetic, in picodollars.

A picodollar is 10⁻¹² dollars; all of AWS's Lambda prices are whole numbers of them per unit, and
Python's integers do not round. Nothing here is a float but the measured milliseconds that come in.
`prices` says what a unit costs; `estimate` adds up months.
"""

from __future__ import annotations

from math import ceil

from lambent.cost.prices import PICO, Prices

MS_MB_PER_GB_S = 1000 * 1024
FREE_EPHEMERAL_MB = 512


def billed_ms(duration_ms: float, init_ms: float | None = None) -> int:
    """Duration rounded up to the next millisecond, at least 1."""
    # AWS bills Init since 2025-08-01, so it counts here too.
    total = duration_ms if init_ms is None else duration_ms + init_ms
    # A sum of two floats may stand an ulp above the whole number that it is; a picosecond does not
    # matter, a billed millisecond does.
    return max(1, ceil(total - 1e-9))


def invoke_cost(
    prices: Prices,
    billed_ms: int,
    memory_mb: int,
    architecture: str = "x86_64",
    ephemeral_mb: int = FREE_EPHEMERAL_MB,
) -> int:
    """One invoke, without the free tier: the request, its duration, its extra `/tmp`.

    Rounded half up to a picodollar once, at the end.
    """
    rates = prices.of(architecture)
    extra_mb = max(0, ephemeral_mb - FREE_EPHEMERAL_MB)
    rate = rates.duration_gb_s * memory_mb + rates.ephemeral_gb_s * extra_mb
    return rates.request + per_gb_s(rate * billed_ms)


def dollars(pico: int) -> str:
    """`$0.00000216`: to the hundred-millionth, or as far as the first digits of a smaller sum.

    From a cent on two digits more than cents are shown, from a dollar on just cents.
    """
    sign = "-" if pico < 0 else ""
    pico = abs(pico)
    if pico >= PICO:
        digits = 2
    elif pico >= PICO // 100:
        digits = 4
    elif pico >= 10_000 or pico == 0:
        digits = 8 if pico else 2
    else:
        digits = 12
    unit = 10 ** (12 - digits)
    rounded = (2 * pico + unit) // (2 * unit)
    whole, fraction = divmod(rounded, 10**digits)
    return f"{sign}${whole:,}.{fraction:0{digits}d}"


def per_gb_s(amount: int) -> int:
    """Picodollars of `rate × milliseconds × megabytes`, rounded half up."""
    return (2 * amount + MS_MB_PER_GB_S) // (2 * MS_MB_PER_GB_S)
