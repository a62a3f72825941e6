"""What every kind of model file looks like to a decoder: named tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output; a dimension that may be anything is None."""

    name: str
    shape: tuple[int | None, ...]
    kind: np.dtype[Any]


class Runner(Protocol):
    @property
    def inputs(self) -> Sequence[Port]: ...

    @property
    def outputs(self) -> Sequence[Port]: ...

    @property
    def provider(self) -> str:
        """`cpu` or `cuda`: where it really runs."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """One array per output, whose first axis is the batch. Called from several threads."""
        ...

    def close(self) -> None: ...
