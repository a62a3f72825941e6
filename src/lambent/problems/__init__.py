"""Every failure that lambent can name: its code, what it means, why it happens, what to do.

Data alone, a table per group; `docs/errors.md` is written from it, and the command line prints
`reference(code)` under an error. Imports nothing of lambent, so that every room may import it.
`tests/test_problems.py` walks the sources: a code that is raised and not here is a failed test, and
so is one that is here and not raised.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lambent.problems import api, command_line, extensions, function, packaging, server, working
from lambent.problems.entry import Entry


class Group(NamedTuple):
    title: str
    text: str
    entries: tuple[Entry, ...]


GROUPS: Final = (
    Group(
        "The command line",
        "What `lambent` itself says, as `error[CODE]` on standard error or as JSON with `--json`.",
        (*command_line.ENTRIES, *working.ENTRIES),
    ),
    Group(
        "Packages and templates",
        "What stops `lambent deploy` before anything is sent.",
        packaging.ENTRIES,
    ),
    Group(
        "The server and its sandboxes",
        "Why a server does not start, or answers an invoke with `ServiceException`; the code stands "
        "in front of the message and in the server's log.",
        server.ENTRIES,
    ),
    Group(
        "The API",
        "AWS's codes, in `x-amzn-ErrorType` and as the exception's name in boto3. Messages are AWS's.",
        api.ENTRIES,
    ),
    Group(
        "Functions",
        "`errorType` of an answer whose `X-Amz-Function-Error` is set: the function failed, not the "
        "platform. Any other type is the name of an exception in the function's own code.",
        function.ENTRIES,
    ),
    Group(
        "Extensions",
        "`errorType` of an answer when an extension ended the invoke, and what the Extensions API "
        "answers inside the sandbox.",
        extensions.ENTRIES,
    ),
)

_BY_CODE: Final = {entry.code: entry for group in GROUPS for entry in group.entries}
PAGE: Final = "docs/errors.md"


def find(code: str) -> Entry | None:
    return _BY_CODE.get(code)


def reference(code: str) -> str | None:
    """Where the documentation explains a code; None for one that is not ours."""
    return f"{PAGE}#{anchor(code)}" if code in _BY_CODE else None


def anchor(code: str) -> str:
    """As mkdocs and GitHub both make it of a heading."""
    return code.lower().replace(".", "")
