"""A lambent server's own pages for the audit trail and for policies, which AWS does not have."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
from collections.abc import Sequence
from typing import Any, Final

from lambent.delivery import log_events
from lambent.delivery.aws import Aws
from lambent.delivery.problem import USAGE, Problem

ASK_S: Final = 60


def ask(aws: Aws, page: str, query: Sequence[tuple[str, object]]) -> list[dict[str, Any]]:
    """The objects that `/_lambent/iam/<page>` answers, one per line."""
    if aws.is_aws:
        raise Problem(
            "NOT_ON_AWS",
            "AWS has this elsewhere: CloudTrail, and the IAM policy simulator",
            fix="leave out --aws",
            exit_code=USAGE,
        )
    path = f"/_lambent/iam/{page}?{urllib.parse.urlencode(query)}"
    try:
        with log_events.ask(aws, path, ASK_S) as answer:
            return [json.loads(line) for line in answer if line.strip()]
    except urllib.error.HTTPError as error:
        raise log_events.refused(error, f"no {page}", "lambent doctor") from None
