"""Boxes of what a text names: YOLO-World and Grounding DINO exports.

YOLO-World comes in two kinds. Exported for fixed words it is a YOLOv8 whose classes are the words,
and a request may name some of them; with a second input (`txt_feats`, N × words × width) the words
of the request go through the package's text graph first. Grounding DINO takes the words as one
sentence ("a cat. a dog.") and answers, for each of its queries, a box and a number for every token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lambent_inference.errors import InvalidModelConfiguration, InvalidRequest
from lambent_inference.models.contract import (
    Answer,
    Detections,
    DetectNamed,
    Image,
    Preprocessing,
    Task,
)
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.preprocessing import Frame
from lambent_inference.models.tasks.decoder import Array, Prepared
from lambent_inference.models.tasks.detection import box, select
from lambent_inference.models.tasks.heads import Candidates, anchor_free, from_centres
from lambent_inference.models.tasks.pictures import Pictures
from lambent_inference.models.tasks.words import Words

TEXT_FEATURES = 3
"""Dimensions of the input for embedded words."""


@dataclass(frozen=True, slots=True)
class Asked:
    frames: list[Frame]
    spans: tuple[tuple[int, int], ...] = ()
    """Grounding DINO: which tokens stand for each text."""


class YoloWorld(Pictures):
    asks: tuple[type[Task], ...] = (DetectNamed,)

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        super().__init__(package, runners)
        ports = [one for one in runners["model"].inputs if len(one.shape) == TEXT_FEATURES]
        self.embedded = ports[0] if ports else None
        self.textual = runners.get("textual")
        self.words: Words | None = None
        if self.embedded is not None:
            if self.textual is None:
                raise InvalidModelConfiguration(detail="the graph wants words; no textual part")
            self.words = Words(package, self.textual, package.manifest.context_length)

    def prepare(self, task: DetectNamed, images: Sequence[Image]) -> Prepared:
        batch, frames = self.tensor(images, Preprocessing())
        feeds: dict[str, Array] = {self.port.name: batch}
        group: tuple[str, ...] | None = None
        if self.embedded is not None:
            feeds[self.embedded.name] = np.repeat(self._embedded(task.texts), len(images), axis=0)
            group = task.texts
        else:
            self._known(task.texts)
        return Prepared(feeds=feeds, count=len(images), context=Asked(frames), group=group)

    def _embedded(self, texts: Sequence[str]) -> Array:
        assert self.words is not None
        assert self.textual is not None
        assert self.embedded is not None
        rows = self.textual.run(self.words.feeds(texts))[0].astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows[None].astype(self.embedded.kind)

    def _known(self, texts: Sequence[str]) -> list[int]:
        unknown = [text for text in texts if text not in self.classes]
        if unknown:
            raise InvalidRequest(
                f"This model was exported for {', '.join(self.classes)}; it does not know "
                f"{', '.join(unknown)}."
            )
        return [self.classes.index(text) for text in texts]

    def finish(self, outputs: Sequence[Array], prepared: Prepared, task: Any) -> tuple[Answer, ...]:
        scores = outputs[0]
        if self.embedded is None:
            rows = [4 + place for place in self._known(task.texts)]
            scores = scores[:, [0, 1, 2, 3, *rows]]
        found = anchor_free([scores], len(task.texts), task.confidence, 0)
        return _answers(found, prepared.context.frames, task)


class GroundingDino(Pictures):
    asks: tuple[type[Task], ...] = (DetectNamed,)

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        super().__init__(package, runners)
        self.ports = {port.name: port for port in runners["model"].inputs}
        self.names = [port.name for port in runners["model"].outputs]
        if "input_ids" not in self.ports:
            raise InvalidModelConfiguration(detail="the graph has no input `input_ids`")
        self.words = Words(package, runners["model"], None)

    def prepare(self, task: DetectNamed, images: Sequence[Image]) -> Prepared:
        batch, frames = self.tensor(images, Preprocessing())
        feeds: dict[str, Array] = {self.port.name: batch}
        sentence = " ".join(f"{_plain(text)}." for text in task.texts)
        encoding = self.words.tokenizer.encode(sentence)
        spans = _spans(task.texts, encoding.offsets)
        rows = {
            "input_ids": encoding.ids,
            "attention_mask": [1] * len(encoding.ids),
            "token_type_ids": [0] * len(encoding.ids),
        }
        for name, row in rows.items():
            if name in self.ports:
                feeds[name] = np.array([row] * len(images), self.ports[name].kind)
        if "pixel_mask" in self.ports:
            feeds["pixel_mask"] = np.ones(
                (len(images), *batch.shape[2:]), self.ports["pixel_mask"].kind
            )
        return Prepared(
            feeds=feeds, count=len(images), context=Asked(frames, spans), group=task.texts
        )

    def finish(self, outputs: Sequence[Array], prepared: Prepared, task: Any) -> tuple[Answer, ...]:
        by_name = dict(zip(self.names, outputs, strict=True))
        logits = by_name.get("logits", outputs[0])
        boxes = by_name.get("pred_boxes", outputs[1])
        found = [
            self._candidates(rows, corners, prepared.context.spans, task)
            for rows, corners in zip(logits, boxes, strict=True)
        ]
        return _answers(found, prepared.context.frames, task)

    def _candidates(
        self, logits: Array, boxes: Array, spans: Sequence[tuple[int, int]], task: DetectNamed
    ) -> Candidates:
        with np.errstate(over="ignore"):  # tokens that are not there have -inf
            shares = 1 / (1 + np.exp(-logits.astype(np.float32)))
        by_text = np.stack([shares[:, a:b].max(axis=1, initial=0) for a, b in spans], axis=1)
        best = by_text.max(axis=1)
        stays = (shares.max(axis=1) >= task.confidence) & (best >= task.text_threshold)
        size = np.array([self.input_width, self.input_height] * 2, np.float32)
        corners = from_centres(boxes[stays].astype(np.float32) * size)
        nothing = np.empty((int(stays.sum()), 0), np.float32)
        return Candidates(corners, best[stays], by_text[stays].argmax(axis=1), nothing)


def _plain(text: str) -> str:
    """A dot would end the phrase."""
    return text.lower().replace(".", " ").strip()


def _spans(texts: Sequence[str], offsets: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """For each text of the sentence: its first token, and the one after its last."""
    spans = []
    begin = 0
    for text in texts:
        end = begin + len(_plain(text))
        inside = [i for i, (a, b) in enumerate(offsets) if b > a >= begin and b <= end]
        if not inside:
            raise InvalidRequest(f"The text {text!r} has no word in it.")
        spans.append((inside[0], inside[-1] + 1))
        begin = end + 2
    return tuple(spans)


def _answers(
    found: Sequence[Candidates], frames: Sequence[Frame], task: DetectNamed
) -> tuple[Answer, ...]:
    answers = []
    for candidates, frame in zip(found, frames, strict=True):
        kept = select(candidates, frame, task)
        boxes = tuple(box(kept, i, task.texts) for i in range(len(kept.scores)))
        answers.append(Detections(frame.width, frame.height, boxes))
    return tuple(answers)
