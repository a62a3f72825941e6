"""Everything that can go wrong, as one tree; `routes/failures.py` alone renders it.

InferenceError                     status and message, as clients of the public API know them
├── InvalidRequest            400  what was sent cannot be understood
│   ├── InvalidImage          400  "Could not load input image. Cause: …"
│   ├── InvalidModelId        400
│   ├── InvalidMaskMode       400
│   ├── WrongFamily           400  the model does something else
│   ├── InvalidFeatures       400  a table's row, by the name of the feature
│   └── MissingApiKey         400
├── Unauthorized 401 · PaymentRequired 402 · Forbidden 403 · Paused 423
├── NotFound                  404  the model, or its version
│   ├── ModelNotLoaded        404  for unload
│   └── SwitchedOff           404  a family that the owner switched off, by its variable
├── RequestTooSlow            408  the body
├── RequestTooLarge           413  the body
├── AnswerTooLarge            413  names the largest part
├── ServiceMisconfigured      500
├── InvalidModelConfiguration 500  pre- or post-processing
├── BrokenPackage             500
├── ProviderMissing           501
├── PlatformMalformed         502  the registry answered nonsense
├── PlatformUnreachable       503
├── NotReady                  503  with Retry-After: 1
├── PlatformTimeout           504
└── TooLarge                  507  does not fit the memory budget
"""

# ruff: noqa: N818  the names are conditions, and the base says that they are errors
from __future__ import annotations

from collections.abc import Mapping


class InferenceError(Exception):
    """`message` goes to the client; `detail` to the log only."""

    status = 500
    text = "Internal error."

    def __init__(self, message: str | None = None, *, detail: str | None = None) -> None:
        self.message = message or self.text
        self.detail = detail
        super().__init__(detail or self.message)

    def headers(self) -> Mapping[str, str]:
        return {}

    def body(self) -> dict[str, object]:
        return {"message": self.message}


class InvalidRequest(InferenceError):
    status = 400
    text = "The request cannot be understood."


class InvalidImage(InvalidRequest):
    """`cause` is said to the client after the sentence that it knows."""

    def __init__(self, cause: str, *, detail: str | None = None) -> None:
        super().__init__(f"Could not load input image. Cause: {cause}", detail=detail)


class InvalidModelId(InvalidRequest):
    text = "Invalid Model ID sent in request."


class InvalidMaskMode(InvalidRequest):
    text = (
        "Invalid mask decode argument sent. The mode must be one of 'accurate', 'tradeoff' and "
        "'fast', and a tradeoff factor lies between 0 and 1."
    )


class WrongFamily(InvalidRequest):
    def __init__(self, model_id: str, family: str, wanted: str) -> None:
        super().__init__(f"Model {model_id} is for {family}; this request is for {wanted}.")


class InvalidFeatures(InvalidRequest):
    """What is wrong with which feature of which row: `[{"row", "feature", "problem"}]`."""

    def __init__(self, problems: list[dict[str, object]]) -> None:
        first = problems[0]
        super().__init__(
            f"Feature '{first['feature']}' of row {first['row']}: {first['problem']}"
            + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
        )
        self.problems = problems

    def body(self) -> dict[str, object]:
        return {"message": self.message, "features": self.problems}


class MissingApiKey(InvalidRequest):
    text = (
        "Required Roboflow API key is missing. The model is in none of this server's registries, and "
        "the platform is asked only with a key: send it as `api_key` or as an Authorization header "
        "(Bearer), or set ROBOFLOW_API_KEY for the server."
    )


class Unauthorized(InferenceError):
    status = 401
    text = (
        "Unauthorized access to roboflow API - check API key and make sure the key is valid for "
        "the workspace that owns the model."
    )


class PaymentRequired(InferenceError):
    status = 402
    text = "Not enough credits to perform this request."


class Forbidden(InferenceError):
    status = 403
    text = "Access to this resource is forbidden for the given API key."


class Paused(InferenceError):
    status = 423
    text = "The workspace that owns this resource is paused."


class NotFound(InferenceError):
    status = 404
    text = (
        "Requested Roboflow resource not found. Make sure that the model id and its version exist "
        "and that the API key has access."
    )


class ModelNotLoaded(NotFound):
    def __init__(self, model_id: str) -> None:
        super().__init__(f"Model with id {model_id} not loaded.")


class SwitchedOff(NotFound):
    """A family of routes that the owner switched off."""

    def __init__(self, what: str, switch: str, value: str = "False") -> None:
        super().__init__(f"{what} is switched off on this server ({switch}={value}).")
        self.switch = switch

    def body(self) -> dict[str, object]:
        return {"message": self.message, "switch": self.switch}


class RequestTooSlow(InferenceError):
    status = 408

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The request took longer than {limit_s:g} s (REQUEST_TIMEOUT_S).")


class RequestTooLarge(InferenceError):
    status = 413

    def __init__(self, limit_mb: int) -> None:
        super().__init__(f"The request is larger than {limit_mb} MB (MAX_REQUEST_MB).")


class AnswerTooLarge(InferenceError):
    status = 413
    text = "The answer is too large."


class ServiceMisconfigured(InferenceError):
    text = "Service misconfiguration."


class InvalidModelConfiguration(InferenceError):
    text = "Model configuration related to pre- or post-processing is invalid."


class BrokenPackage(InferenceError):
    text = "Model package is broken."


class ProviderMissing(InferenceError):
    status = 501
    text = "Could not find requested ONNX Runtime Provider. Check that the server has it installed."


class PlatformMalformed(InferenceError):
    status = 502
    text = "Internal error. Request to Roboflow API failed."


class PlatformUnreachable(InferenceError):
    status = 503
    text = "Internal error. Could not connect to Roboflow API."


class NotReady(InferenceError):
    status = 503
    text = "The model is not ready yet. Try again in a moment."

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "1"}


class PlatformTimeout(InferenceError):
    status = 504
    text = "Timeout when attempting to connect to Roboflow API."


class TooLarge(InferenceError):
    status = 507
    text = "The model does not fit into the memory that this server may use."
