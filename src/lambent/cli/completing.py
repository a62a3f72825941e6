"""Answers the shell while somebody presses Tab; the scripts that ask come from `lambent completion`.

The scripts and their protocol are click's. Verbs come from the table, so that the first Tab loads no
verb; a function's name comes from this folder's template and from the server that runs here.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
from click.shell_completion import (
    CompletionItem,
    _resolve_context,
    _resolve_incomplete,
    get_completion_class,
)

from lambent.cli.verbs import FLAGS, VERBS

VARIABLE: Final = "_LAMBENT_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")
_FUNCTIONS: Final = frozenset({"function", "functions"})
_WITH_VALUE: Final = frozenset({"--profile", "--region", "--endpoint-url"})
_SERVER_S: Final = 2.0
"""It answers in milliseconds; a busy machine is given a moment."""

Item = CompletionItem[str]


def script(shell: str) -> str:
    """What the shell has to read once."""
    kind = get_completion_class(shell)
    assert kind is not None
    asker = kind(click.Group("lambent"), {}, "lambent", VARIABLE)
    # Not `source()`: that starts a bash to ask for its version.
    return kind.source_template % asker.source_vars()


def answer() -> int:
    """Print what could stand where the cursor is. Anything wrong means no suggestions."""
    shell, _, what = os.environ[VARIABLE].partition("_")
    kind = get_completion_class(shell)
    if kind is None or what != "complete":
        return 1
    # A trace in the middle of somebody's command line would help nobody.
    with suppress(Exception):
        asker = kind(click.Group("lambent"), {}, "lambent", VARIABLE)
        args, incomplete = asker.get_completion_args()
        for item in suggestions(args, incomplete):
            print(asker.format_completion(item))
    return 0


def suggestions(args: list[str], incomplete: str) -> list[Item]:
    """For the word `incomplete` after the complete words `args`."""
    if not _verb(args):
        if args and args[-1] in _WITH_VALUE:
            return []
        table = _flags() if incomplete.startswith("-") else _verbs()
        return [item for item in table if item.value.startswith(incomplete)]
    from lambent.cli.options import Options
    from lambent.cli.root import root

    context = _resolve_context(root, {"obj": Options()}, "lambent", args)
    wanted, incomplete = _resolve_incomplete(context, args, incomplete)
    found = wanted.shell_complete(context, incomplete)
    if isinstance(wanted, click.Argument) and wanted.name in _FUNCTIONS:
        given = set(args)
        names = (name for name in functions() if name.startswith(incomplete) and name not in given)
        found += [CompletionItem(name) for name in names]
    if isinstance(wanted, click.Command) and incomplete.startswith("-"):
        known = {item.value for item in found}
        found += [f for f in _flags() if f.value.startswith(incomplete) and f.value not in known]
    return found


def functions() -> list[str]:
    """Names from the template here and from the server here, each once."""
    return list(dict.fromkeys([*_of_template(), *_of_server()]))


def _verb(args: list[str]) -> str | None:
    """The first word that is neither a flag nor a flag's value."""
    words = iter(args)
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _verbs() -> list[Item]:
    return [CompletionItem(name, help=entry.text) for name, entry in VERBS.items()]


def _flags() -> list[Item]:
    return [
        CompletionItem(word, help=text)
        for names, text in FLAGS.items()
        for word in names.replace(",", "").split()
        if word.startswith("--")
    ]


def _of_template() -> Iterator[str]:
    from lambent.delivery import template
    from lambent.delivery.problem import Problem

    path = template.find(Path())
    if path is not None:
        with suppress(Problem, OSError):
            yield from (plan.name for plan in template.read(path).functions)


def _of_server() -> Iterator[str]:
    """ListFunctions without boto3, which takes longer to import than a person waits for Tab."""
    from lambent.cli import local

    found = local.running(local.data_dir())
    if found is None:
        return
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    # A server on loopback takes any credential; one that verifies refuses this, which is as well.
    scope = f"lambent/20200101/{region}/lambda/aws4_request"
    header = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    request = urllib.request.Request(  # noqa: S310  the record of the server on this machine
        f"{found.url}/2015-03-31/functions/", headers={"Authorization": header}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError, ValueError), opener.open(request, timeout=_SERVER_S) as said:
        yield from (str(item["FunctionName"]) for item in json.load(said)["Functions"])
