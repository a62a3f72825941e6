"""What the verbs that work with live functions raise: aliases, logs, traces, costs, requests."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
    Entry(
        "NEEDS_YES",
        "The verb would delete something, and could not ask; the exit code is 3.",
        "Standard input or standard error is not a terminal, or the answer was to be JSON.",
        "The same command with `-y`.",
    ),
    Entry(
        "ALIAS_NOT_FOUND",
        "The function has no such alias.",
        "A typing error, or nothing was deployed behind that alias yet.",
        "`lambent alias ls FUNCTION` lists them; `lambent alias set FUNCTION NAME VERSION` makes one.",
    ),
    Entry(
        "VERSION_NOT_FOUND",
        "The function has no such version.",
        "It was never published, or was deleted.",
        "`lambent fn show FUNCTION` lists the versions.",
    ),
    Entry(
        "NOTHING_TO_ROLL_BACK",
        "There is no version before the one that the alias is on.",
        "It is the first one, or those before were deleted.",
        "`lambent deploy` an older state of the sources, or `--to VERSION`.",
    ),
    Entry(
        "ANSWER_NOT_HTTP",
        "The function's answer is not an HTTP response.",
        "`statusCode` is not a status, `headers` not an object, or `body` not the base64 that "
        "`isBase64Encoded` promises. A function URL answers 502 to it.",
        'Return `{"statusCode": 200, "headers": {…}, "body": "…"}`, or any JSON without `statusCode`.',
    ),
    Entry(
        "PATTERN_INVALID",
        "`--grep` is not a regular expression.",
        "A bracket or a repetition has nothing that it belongs to.",
        "Put a backslash before characters that mean themselves.",
    ),
    Entry(
        "REQUEST_ID_INVALID",
        "What was given is not a request id.",
        "Request ids are UUIDs; their first eight characters or more will do.",
        "Copy one from a START or REPORT line: `lambent logs FUNCTION`.",
    ),
    Entry(
        "REQUEST_NOT_FOUND",
        "No log has that request.",
        "It is another server's or region's, was refused before it ran, or its lines have expired.",
        "Check `--endpoint-url` and `--region`; on AWS look further back with `--since 7d`.",
    ),
    Entry(
        "WHAT_IF_INVALID",
        "A `--what-if` cannot be read.",
        "It takes `memory`, `requests`, `architecture` and `ephemeral`, within Lambda's limits.",
        "`--what-if memory=512,1024`, `--what-if requests=1e6`.",
    ),
    Entry(
        "NOTHING_TO_PRICE",
        "The function was not called in the time that was looked at.",
        "Costs come from the REPORT lines in its log, and there is none.",
        "Call it, or look further back: `--since 30d`.",
    ),
    Entry(
        "ACCESS_DENIED",
        "The server does not know the credentials; the exit code is 4.",
        "It checks signatures, and these are of no key of its own.",
        "`--profile NAME`, or put the server's key into `~/.aws/credentials`.",
    ),
    Entry(
        "SERVER_REFUSED",
        "The server answered with an error where it should have told something.",
        "`why` has the HTTP status; a server that is not lambent has no such page.",
        "`lambent doctor`; check `--endpoint-url`.",
    ),
    Entry(
        "CONNECTION_LOST",
        "The server went away in the middle of an answer.",
        "It was stopped, or killed.",
        "`lambent status`, then the same again.",
    ),
)
