"""What making a snapshot may come to, besides a template.

`Standby`: the version is fine, and cannot be forked here. `Failed`: its Init failed, with AWS's code.
`snapshot_template` and `snapshot_trial` raise them; `control` hears of them as `Prepared`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.engine.faults import Fault


class Standby(Exception):  # noqa: N818  an outcome
    """This version cannot be forked here; its environments are started instead."""


class Failed(Exception):  # noqa: N818  an outcome
    """The function's Init failed while its snapshot was made."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        """AWS's StateReasonCode."""


def failed(fault: Fault, document: bytes) -> Failed:
    """Of an Init that ended with `fault`: what it said, for a StateReason."""
    try:
        said = msgspec.json.decode(document, type=dict[str, Any]) if document else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = {}
    kind = said.get("errorType") or fault.error_type
    text = said.get("errorMessage") or fault.message
    code = "InitTimeout" if fault.status == "timeout" else "RuntimeInitError"
    reason = f"The function's initialization failed for the snapshot: {kind}: {text}"
    return Failed(reason, f"FunctionError.{code}")
