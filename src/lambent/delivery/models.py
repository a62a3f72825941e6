"""Model packages, through the inference server's own tool: its format is read in one place only.

`python -m lambent_inference.tool` does the work and answers one JSON object. It runs in the Python
that runs this, because that is where `pip install lambent-inference` put it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lambent.delivery.problem import Problem

TOOL = "lambent_inference.tool"


def run(arguments: Sequence[str], *, endpoint_url: str | None = None) -> Mapping[str, Any]:
    """The tool's answer; raises Problem. `endpoint_url` is where S3 is, if not at AWS."""
    env = dict(os.environ)
    if endpoint_url:
        env["AWS_ENDPOINT_URL_S3"] = endpoint_url
    done = subprocess.run(
        [sys.executable, "-m", TOOL, *arguments],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise _broken(done) from None
    if failed := answer.get("error"):
        code = failed["code"]
        raise Problem(code, failed["message"], fix=failed["fix"])
    assert isinstance(answer, dict)
    return answer


def _broken(done: subprocess.CompletedProcess[str]) -> Problem:
    if f"No module named {TOOL.partition('.')[0]}" in done.stderr:
        return Problem(
            "INFERENCE_MISSING",
            "the inference server is not installed here",
            why="it brings the format of model packages",
            fix="pip install lambent-inference",
        )
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return Problem("MODEL_TOOL_FAILED", f"the tool for model packages failed: {last}")
