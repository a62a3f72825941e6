"""AWS's prices as data with a date and a source: `prices.toml`, or a file of one's own.

Dollars stand there as text and become integers of picodollars here, exactly; a price that would
need more digits than that is refused rather than rounded.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from lambent.errors import ConfigurationError

PICO = 10**12
DEFAULT_FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Rates:
    """One architecture's prices in picodollars: per request, and per GB-second."""

    request: int
    duration_gb_s: int
    ephemeral_gb_s: int
    provisioned_gb_s: int
    provisioned_duration_gb_s: int


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list."""

    source: str
    date: str
    region: str
    x86_64: Rates
    arm64: Rates
    free_requests: int
    free_gb_s: int
    data_out_gb: int

    def of(self, architecture: str) -> Rates:
        return self.arm64 if architecture == "arm64" else self.x86_64


@cache
def default() -> Prices:
    """AWS's list prices as of this release."""
    return load(DEFAULT_FILE)


def load(path: Path) -> Prices:
    """Prices from a TOML file; raises `ConfigurationError` naming what is wrong in it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"the price list {path} cannot be read: {error}", code="PRICES_INVALID"
        ) from None
    try:
        return _prices(table)
    except KeyError as error:
        raise ConfigurationError(
            f"the price list {path} has no {error}",
            code="PRICES_INVALID",
            fix=f"see {DEFAULT_FILE} for its shape",
        ) from None
    except (ValueError, TypeError, InvalidOperation) as error:
        raise ConfigurationError(
            f"the price list {path}: {error}",
            code="PRICES_INVALID",
            fix='prices are dollars as text, like "0.20"',
        ) from None


def _prices(table: dict[str, Any]) -> Prices:
    free = table["free_tier"]
    return Prices(
        source=str(table["source"]),
        date=str(table["date"]),
        region=str(table["region"]),
        x86_64=_rates(table["x86_64"]),
        arm64=_rates(table["arm64"]),
        free_requests=_count(free["requests"]),
        free_gb_s=_count(free["gb_s"]),
        data_out_gb=_pico(table["data_out"]["gb"]),
    )


def _rates(table: dict[str, Any]) -> Rates:
    return Rates(
        request=_pico(table["requests_per_million"], per=1_000_000),
        duration_gb_s=_pico(table["duration_gb_s"]),
        ephemeral_gb_s=_pico(table["ephemeral_gb_s"]),
        provisioned_gb_s=_pico(table["provisioned_gb_s"]),
        provisioned_duration_gb_s=_pico(table["provisioned_duration_gb_s"]),
    )


def _pico(dollars: str, per: int = 1) -> int:
    if not isinstance(dollars, str):
        raise TypeError(f"{dollars!r} is not text")
    amount = Decimal(dollars) * PICO / per
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{dollars!r} is not a price")
    if amount != amount.to_integral_value():
        raise ValueError(f"{dollars!r} is finer than a picodollar")
    return int(amount)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a number of requests or GB-seconds")
    return value
