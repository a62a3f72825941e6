"""The seam between the manager and the families: prepare, (run), finish.

The manager runs what `prepare` made, perhaps together with other requests' (same part, group and
shapes; the first axis is the batch), and gives each request its share of the outputs back.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from lambent_inference.models.contract import Answer, Confidence, Feature, Image, Task
from lambent_inference.models.package import Thresholds

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    feeds: Mapping[str, Array]
    count: int
    """Rows of the first axis."""
    context: Any = None
    """What `finish` needs of this request."""
    part: str = "model"
    """Which of the package's graphs."""
    group: Hashable = None
    """Requests of different groups never share a run."""


class Decoder(Protocol):
    """Made once per loaded model; called from several threads at once."""

    @property
    def asks(self) -> tuple[type[Task], ...]:
        """Kinds of question that it answers."""
        ...

    @property
    def input_width(self) -> int | None: ...

    @property
    def input_height(self) -> int | None: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def features(self) -> tuple[Feature, ...]: ...

    def prepare(self, task: Any, images: Sequence[Image]) -> Prepared: ...

    def finish(
        self, outputs: Sequence[Array], prepared: Prepared, task: Any
    ) -> tuple[Answer, ...]: ...


def threshold(asked: Confidence, own: Thresholds) -> float:
    """A request's threshold, or the package's by its name."""
    if asked == "default":
        return own.confidence
    if asked == "best":
        return own.confidence if own.best is None else own.best
    assert not isinstance(asked, str)
    return min(max(asked, -1.0), 2.0)  # what lies further out is no number of 32 bits, and the same
