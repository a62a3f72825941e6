"""The public platform's API, for those who have a key: weights by model id.

`GET {api}/ort/{project}/{version}` answers where the weights and the environment lie; both are
fetched into the cache, in the original's layout plus a model.json with what was fetched, so that the
next start needs no network. The key travels in the query of the first call, as the API wants it, and
goes nowhere else.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from lambent_inference.errors import (
    Forbidden,
    InferenceError,
    InvalidModelId,
    NotFound,
    Paused,
    PaymentRequired,
    PlatformMalformed,
    PlatformTimeout,
    PlatformUnreachable,
    Unauthorized,
)
from lambent_inference.models import original, package
from lambent_inference.models.cache import Cache
from lambent_inference.models.download import fetch
from lambent_inference.models.package import MANIFEST, Package
from lambent_inference.models.registries.source import Found

SECONDS: Final = 20.0
ANSWER_MAX_BYTES: Final = 8 << 20
REFUSALS: Final[dict[int, type[InferenceError]]] = {
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
    423: Paused,
    504: PlatformTimeout,
}


def could_be(model_id: str) -> bool:
    """Whether an id is one that the platform gives: `project/version`."""
    project, _, version = model_id.rpartition("/")
    return bool(project) and version.isdigit()


class Platform:
    def __init__(self, api: str, cache: Cache) -> None:
        self.uri = api.rstrip("/")
        self._cache = cache

    def find(self, model_id: str, api_key: str | None) -> Found | None:
        """None without a key or for what cannot be one of its ids; otherwise the API decides."""
        if api_key is None or not could_be(model_id):
            return None
        # The key decides what may be seen, so what one fetched is not another's.
        key = f"{self.uri}/{model_id}?{api_key}"
        return Found(
            model_id,
            lambda: self._held(key, model_id, api_key),
            forget=lambda: self._cache.drop(key),
        )

    @contextlib.contextmanager
    def _held(self, key: str, model_id: str, api_key: str) -> Iterator[Package]:
        with self._cache.held(key, lambda folder: self._fill(folder, model_id, api_key)) as found:
            yield found

    def _fill(self, folder: Path, model_id: str, api_key: str) -> None:
        answer = self._asked(model_id, api_key)
        environment = answer.get("environment")
        if isinstance(environment, str):
            fetch(environment, folder / original.ENVIRONMENT, redo=True)
        else:
            (folder / original.ENVIRONMENT).write_text(json.dumps(environment or {}))
        kind = {
            "project_task_type": answer.get("type") or "object-detection",
            "model_type": answer.get("modelType") or "yolov8",
        }
        (folder / original.TYPE).write_text(json.dumps(kind))
        if classes := answer.get("classes"):
            text = "\n".join(str(one) for one in classes)
            (folder / original.CLASSES).write_text(text)
        if points := answer.get("keypoints_metadata"):
            (folder / original.KEYPOINTS).write_text(json.dumps(points))
        weights = answer.get("model")
        if not isinstance(weights, str) or urlsplit(weights).scheme not in {"https", "http"}:
            raise PlatformMalformed(detail="the platform names no weights")
        fetch(weights, folder / "weights.onnx", redo=True)
        manifest = original.read(folder, model_id)
        (folder / MANIFEST).write_bytes(package.encode(manifest))

    def _asked(self, model_id: str, api_key: str) -> Mapping[str, Any]:
        query = urlencode(
            {"api_key": api_key, "device": "lambent", "nocache": "true", "dynamic": "true"}
        )
        text = _get(f"{self.uri}/ort/{quote(model_id)}?{query}")
        try:
            found = json.loads(text)["ort"]
        except (ValueError, KeyError, TypeError) as error:
            raise PlatformMalformed(detail="no `ort` in the platform's answer") from error
        if not isinstance(found, dict):
            raise PlatformMalformed(detail="`ort` is no object")
        return found


def _get(url: str) -> bytes:
    from lambent_inference import transport

    try:
        with transport.exchange("GET", urlsplit(url), seconds=SECONDS) as answer:
            if answer.status in REFUSALS:
                raise REFUSALS[answer.status]
            if answer.status == 400:
                raise InvalidModelId
            if answer.status >= 300:
                raise PlatformMalformed(detail=f"status {answer.status}")
            return answer.read(ANSWER_MAX_BYTES)
    except transport.TooSlow:
        raise PlatformTimeout from None
    except transport.TransferFailed as error:
        # Not the error itself: its text may hold the URL, and that the key.
        raise PlatformUnreachable(detail=type(error).__name__) from None
