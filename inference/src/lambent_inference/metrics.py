"""Counters for `/metrics`, in Prometheus' text format.

Two families of counters need no client library: one dict each, changed on the event loop only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from lambent_inference.models.contract import Usage


class Metrics:
    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        """By route and status."""
        self.predictions: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By model and version."""
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.loads: defaultdict[str, int] = defaultdict(int)

    def text(self, usage: Sequence[Usage] = ()) -> str:
        """`usage` is of the models that are loaded now."""
        lines = [
            *_head("lambent_inference_requests_total", "Requests by route and status."),
            *(
                f'lambent_inference_requests_total{{route="{_safe(route)}",status="{status}"}} {n}'
                for (route, status), n in sorted(self.requests.items())
            ),
            *_head("lambent_inference_predictions_total", "Answers by model and version."),
            *(
                f"lambent_inference_predictions_total{_of(key)} {n}"
                for key, n in sorted(self.predictions.items())
            ),
            *_head("lambent_inference_prediction_seconds_total", "Time in models, by model."),
            *(
                f"lambent_inference_prediction_seconds_total{_of(key)} {seconds:.6f}"
                for key, seconds in sorted(self.seconds.items())
            ),
            *_head("lambent_inference_model_loads_total", "Loads by model."),
            *(
                f'lambent_inference_model_loads_total{{model="{_safe(model)}"}} {n}'
                for model, n in sorted(self.loads.items())
            ),
        ]
        for name, text, value in GAUGES:
            lines += _head(f"lambent_inference_model_{name}", text, "gauge")
            lines += [
                f"lambent_inference_model_{name}{_of((one.model_id, one.version))} {value(one)}"
                for one in usage
            ]
        return "\n".join([*lines, ""])


GAUGES: Final[tuple[tuple[str, str, Callable[[Usage], int]], ...]] = (
    ("memory_bytes", "What a loaded model holds.", lambda one: one.memory_bytes),
    ("in_flight", "Calls that a model is answering.", lambda one: one.in_flight),
    ("calls", "Calls answered since a model was loaded.", lambda one: one.calls),
    ("runs", "Runs of its graph for them; requests may share one.", lambda one: one.runs),
)


def _head(name: str, text: str, kind: str = "counter") -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _of(key: tuple[str, str]) -> str:
    return f'{{model="{_safe(key[0])}",version="{_safe(key[1])}"}}'


def _safe(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
