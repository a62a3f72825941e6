r"""Reads Lambda's REPORT line, and prices it.

    REPORT RequestId: …\tDuration: 3.10 ms\tBilled Duration: 4 ms\tMemory Size: 512 MB\t…

The line is the same here and on AWS, so the cost is at AWS's prices in both places.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from lambent.cli.platform_lines import platform_document
from lambent.delivery.aws import Aws

_MEMBERS = {
    "duration_ms": r"\bDuration: ([\d.]+) ms",
    "billed_ms": r"Billed Duration: ([\d.]+) ms",
    "memory_mb": r"Memory Size: (\d+) MB",
    "used_mb": r"Max Memory Used: (\d+) MB",
    "init_ms": r"Init Duration: ([\d.]+) ms",
    "restore_ms": r"(?<!Billed )Restore Duration: ([\d.]+) ms",
}


@dataclass(frozen=True, slots=True)
class Report:
    """One invocation's REPORT line."""

    duration_ms: float
    billed_ms: int
    memory_mb: int
    used_mb: int
    init_ms: float | None = None
    restore_ms: float | None = None

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        """As UX.md shows it."""
        init = f"  Init {self.init_ms:.0f} ms" if self.init_ms is not None else ""
        restore = f"  Restore {self.restore_ms:.0f} ms" if self.restore_ms is not None else ""
        return (
            f"Duration {self.duration_ms:.1f} ms{init}{restore}  Billed {self.billed_ms} ms"
            f"  Memory {self.used_mb}/{self.memory_mb} MB"
        )


def parse(tail: str) -> Report | None:
    """The last REPORT of a log tail, in Text or in JSON format."""
    for line in reversed(tail.splitlines()):
        if line.startswith("REPORT RequestId:"):
            return _of_text(line)
        if '"platform.report"' in line and (document := platform_document(line)):
            return _of_json(document)
    return None


def _of_json(document: dict[str, Any]) -> Report | None:
    try:
        metrics = document["record"]["metrics"]
        return Report(
            float(metrics["durationMs"]),
            int(metrics["billedDurationMs"]),
            int(metrics["memorySizeMB"]),
            int(metrics["maxMemoryUsedMB"]),
            metrics.get("initDurationMs"),
            metrics.get("restoreDurationMs"),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _of_text(line: str) -> Report | None:
    # "Billed Duration", "Init Duration" and "Restore Duration" also end in "Duration".
    parts = line.split("\t")
    found: dict[str, float] = {}
    for part in parts:
        for name, expression in _MEMBERS.items():
            if match := re.match(expression, part.strip()):
                found[name] = float(match[1])
    if not {"duration_ms", "billed_ms", "memory_mb", "used_mb"} <= set(found):
        return None
    return Report(
        found["duration_ms"],
        int(found["billed_ms"]),
        int(found["memory_mb"]),
        int(found["used_mb"]),
        found.get("init_ms"),
        found.get("restore_ms"),
    )


def cost(aws: Aws, function: str, found: Report) -> str | None:
    """Dollars at AWS's prices, as text; asks for what the line does not say."""
    configuration = aws.functions.get_function_configuration(
        FunctionName=function.split(":", maxsplit=1)[0]
    )
    return dollars(
        found,
        configuration.get("Architectures", ["x86_64"])[0],
        configuration.get("EphemeralStorage", {}).get("Size", 512),
    )


def dollars(found: Report, architecture: str, ephemeral_mb: int) -> str:
    """The invoke's price, `$` included."""
    from lambent.cost import billing, prices

    pico = billing.invoke_cost(
        prices.default(), found.billed_ms, found.memory_mb, architecture, ephemeral_mb
    )
    return billing.dollars(pico)
