"""Texts to tokens, by the package's own `tokenizer.json` (the Hugging Face format).

`tokenizers` is an extra: only packages with texts need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from lambent_inference.errors import InvalidModelConfiguration, ServiceMisconfigured
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.tasks.decoder import Array

MASKS: Final = "attention_mask"


class Words:
    """A package's tokenizer, and the feeds of its text graph; `length` None: as long as needed."""

    def __init__(self, package: Package, runner: Runner, length: int | None) -> None:
        self.tokenizer = load(package)
        self.ports = {port.name: port for port in runner.inputs}
        tokens = [name for name in self.ports if name != MASKS]
        if not tokens:
            raise InvalidModelConfiguration(detail="the text graph has no input")
        self.tokens = "input_ids" if "input_ids" in self.ports else tokens[0]
        fixed = self.ports[self.tokens].shape[-1] if self.ports[self.tokens].shape else None
        self.length = fixed or length

    def feeds(self, texts: Sequence[str]) -> dict[str, Array]:
        rows = [self.cut(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]
        length = self.length or max(map(len, rows))
        tokens = np.zeros((len(rows), length), self.ports[self.tokens].kind)
        mask = np.zeros((len(rows), length), np.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = row
            mask[place, : len(row)] = 1
        feeds: dict[str, Array] = {self.tokens: tokens}
        if MASKS in self.ports:
            feeds[MASKS] = mask.astype(self.ports[MASKS].kind)
        return feeds

    def cut(self, ids: list[int]) -> list[int]:
        """Too long a text loses its middle's end: the last token closes it and must stay."""
        if self.length is None or len(ids) <= self.length:
            return ids
        return [*ids[: self.length - 1], ids[-1]]


def load(package: Package) -> Any:
    name = package.manifest.tokenizer
    if name is None:
        raise InvalidModelConfiguration(detail="model.json names no tokenizer")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ServiceMisconfigured(
            detail="texts need `pip install lambent-inference[text]`"
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(package.path(name)))
    # tokenizers raises plain Exception for what it cannot read.
    except Exception as error:
        raise InvalidModelConfiguration(detail=f"{name}: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
