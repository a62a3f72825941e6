"""What is kept of predictions: one line each for CloudWatch, and a sample of inputs and outputs.

The line is in the embedded metric format, so that CloudWatch (or lambent's own metrics) makes series
of it without an agent. Both are for monitoring, drift checks and A/B outcomes; neither holds keys,
and neither may fail a request.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from lambent_inference import aws, work
from lambent_inference.models.contract import Description
from lambent_inference.settings import Settings

log = logging.getLogger("lambent_inference")

VALUES_MAX: Final = 100
"""As many values as the format allows a metric in one line."""


def write_prediction(
    settings: Settings,
    request_id: str,
    model: Description,
    seconds: float,
    sureness: Sequence[float | None],
) -> None:
    """One line on standard output; several answers to one request share it."""
    sure = [value for value in sureness if value is not None][:VALUES_MAX]
    metrics = [
        {"Name": "Latency", "Unit": "Milliseconds"},
        {"Name": "Predictions", "Unit": "Count"},
    ]
    line: dict[str, object] = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": settings.metrics_namespace,
                    "Dimensions": [["Model", "Version"]],
                    "Metrics": metrics,
                }
            ],
        },
        "Model": model.model_id,
        "Version": model.version,
        "Family": model.family.value,
        "RequestId": request_id,
        "Latency": round(seconds * 1000, 3),
        "Predictions": len(sureness),
    }
    if sure:
        metrics.append({"Name": "TopConfidence", "Unit": "None"})
        line["TopConfidence"] = sure[0] if len(sure) == 1 else sure
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


class Capture:
    """Keeps a share of what goes in and comes out, in a folder or a bucket."""

    def __init__(self, settings: Settings) -> None:
        self.destination = settings.capture_destination
        self.rate = settings.capture_rate if self.destination else 0.0
        self._storage = aws.Storage()

    def chosen(self) -> bool:
        return self.rate > 0 and random.random() < self.rate  # noqa: S311 - a sample, not a secret

    async def keep(
        self,
        request_id: str,
        model: Description,
        path: str,
        inputs: object,
        pictures: Sequence[bytes],
        output: object,
    ) -> None:
        """Before the answer leaves: a function is frozen after it."""
        now = datetime.now(UTC)
        name = f"{model.model_id}/{model.version}/{now:%Y/%m/%d}/{now:%H%M%S}-{request_id}"
        entry = {
            "request_id": request_id,
            "at": now.isoformat(),
            "model_id": model.model_id,
            "model_version": model.version,
            "path": path,
            "inputs": inputs,
            "pictures": [f"{name}-{number}.bin" for number in range(len(pictures))],
            "output": output,
        }
        files = {f"{name}.json": msgspec.json.encode(entry)}
        files |= {f"{name}-{number}.bin": data for number, data in enumerate(pictures)}
        for file, data in files.items():
            try:
                await work.wait(self._write, file, data)
            except (OSError, aws.AwsFailed) as error:
                log.warning("a prediction could not be captured: %s", error)
                return

    def _write(self, name: str, data: bytes) -> None:
        assert self.destination is not None
        name = name.replace("..", "_")
        if self.destination.startswith("s3://"):
            kind = "application/json" if name.endswith(".json") else "application/octet-stream"
            self._storage.put(aws.join(self.destination, name), data, kind)
            return
        file = Path(self.destination.removeprefix("file://"), name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
