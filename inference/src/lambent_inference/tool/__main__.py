"""One JSON object out; `{"error": {"code", "message", "fix"}}` and exit code 1 for what fails."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lambent_inference.errors import InferenceError
from lambent_inference.tool import fetching, importing, listing, pushing
from lambent_inference.tool.failure import Failure


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        answer = asked.run(asked)
    except Failure as failure:
        answer = _told(failure)
    except InferenceError as error:
        answer = _told(Failure("MODEL_PACKAGE_INVALID", error.detail or error.message))
    sys.stdout.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


def _told(failure: Failure) -> dict[str, Any]:
    return {"error": {"code": failure.code, "message": str(failure), "fix": failure.fix}}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lambent_inference.tool")
    verbs = parser.add_subparsers(required=True)
    push = verbs.add_parser("push")
    push.add_argument("source", type=Path)
    push.add_argument("registry")
    push.add_argument("--id")
    push.add_argument("--version")
    push.add_argument("--task")
    push.add_argument("--family")
    push.add_argument("--classes")
    push.add_argument("--licence")
    push.add_argument("--alias", action="append", default=[])
    push.add_argument("--not-latest", action="store_true")
    push.set_defaults(run=_push)
    ls = verbs.add_parser("ls")
    ls.add_argument("registry")
    ls.set_defaults(run=lambda asked: listing.listed(asked.registry))
    for name, call in (("show", listing.shown), ("rm", pushing.remove)):
        verb = verbs.add_parser(name)
        verb.add_argument("registry")
        verb.add_argument("model")
        verb.set_defaults(run=lambda asked, call=call: call(asked.registry, asked.model))
    fetch = verbs.add_parser("fetch")
    fetch.add_argument("source")
    fetch.add_argument("into", type=Path)
    fetch.add_argument("--model")
    fetch.set_defaults(run=lambda asked: fetching.fetch(asked.source, asked.model, asked.into))
    take = verbs.add_parser("import")
    take.add_argument("source", type=Path)
    take.add_argument("into", type=Path)
    take.add_argument("--id", required=True)
    take.add_argument("--version", default="1")
    take.add_argument("--task")
    take.add_argument("--family")
    take.add_argument("--classes")
    take.set_defaults(run=_import)
    return parser


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _push(asked: argparse.Namespace) -> dict[str, Any]:
    facts = {
        "id": asked.id, "version": asked.version, "task": asked.task, "family": asked.family,
        "classes": _names(asked.classes), "licence": asked.licence,
    }  # fmt: skip
    said = {name: value for name, value in facts.items() if value is not None}
    return pushing.push(
        asked.source, asked.registry, said, asked.alias, latest=not asked.not_latest
    )


def _import(asked: argparse.Namespace) -> dict[str, Any]:
    facts = {"task": asked.task, "family": asked.family, "classes": _names(asked.classes)}
    said = {name: value for name, value in facts.items() if value is not None}
    return importing.take(asked.source, asked.into, asked.id, asked.version, said)


if __name__ == "__main__":
    sys.exit(main())
