"""The flags that every verb takes, before or after its name, and what follows from them.

`Verb` is the click command that carries them; `Options` is what they said. Nothing here imports
boto3, so that `--help` stays quick.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lambent.delivery.problem import USAGE, Problem

if TYPE_CHECKING:
    from lambent.delivery.aws import Aws

DEFAULT_URL = "http://127.0.0.1:9000"


@dataclass(slots=True)
class Options:
    """Flags as given; click fills them in while it parses."""

    json: bool = False
    quiet: bool = False
    no_color: bool = False
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    aws: bool = False
    yes: bool = False
    debug: bool = False

    def target(self) -> Aws:
        """The server, or AWS itself with `--aws` or `--endpoint-url aws`."""
        from lambent.delivery.aws import Aws

        url = self.endpoint()
        return Aws(None if url == "aws" else url.rstrip("/"), self.profile, self.region)

    def endpoint(self) -> str:
        """A URL, or `aws`. AWS itself is never taken by accident: it must be asked for."""
        if self.aws:
            return "aws"
        if self.endpoint_url:
            return self.endpoint_url
        for name in ("LAMBENT_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"):
            if value := os.environ.get(name):
                return value
        from lambent.cli import local

        running = local.running(local.data_dir())
        return running.url if running else DEFAULT_URL


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value not in (None, False):
        assert param.name is not None
        setattr(ctx.find_root().ensure_object(Options), param.name, value)


def _flag(*names: str, text: str, hidden: bool, **more: Any) -> click.Option:
    return click.Option(
        list(names), help=text, hidden=hidden, expose_value=False, callback=_store, **more
    )


def global_flags(*, hidden: bool) -> list[click.Parameter]:
    """Fresh copies, because click parameters belong to one command."""
    return [
        _flag("--json", text="One JSON object instead of text.", hidden=hidden, is_flag=True),
        _flag("-q", "--quiet", text="No hints, no progress.", hidden=hidden, is_flag=True),
        _flag("--no-color", text="Plain text.", hidden=hidden, is_flag=True),
        _flag("--profile", text="Profile of ~/.aws to use.", hidden=hidden, metavar="NAME"),
        _flag("--region", text="AWS region.", hidden=hidden, metavar="NAME"),
        _flag(
            "--endpoint-url", text="Server to speak to; `aws` is AWS.", hidden=hidden, metavar="URL"
        ),
        _flag("--aws", text="Speak to AWS itself.", hidden=hidden, is_flag=True),
        _flag("-y", "--yes", text="Answer questions with yes.", hidden=hidden, is_flag=True),
        _flag("--debug", text="Show where an error came from.", hidden=hidden, is_flag=True),
    ]


class Verb(click.Command):
    """A command that also takes the global flags."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_flags(hidden=True))
        self.epilog = self.epilog or "Global flags: lambent --help"


class Family(click.Group):
    """Verbs under one noun, such as `fn ls`; each takes the global flags, and so does the noun."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_flags(hidden=True))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.commands, n=1, cutoff=0.5)
            raise Problem(
                "UNKNOWN_VERB",
                f"there is no verb '{ctx.info_name} {args[0]}'",
                fix=f"lambent {ctx.info_name} {near[0] if near else '--help'}",
                exit_code=USAGE,
            )
        return super().resolve_command(ctx, args)
