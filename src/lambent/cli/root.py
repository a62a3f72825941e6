"""The click group behind `main`: loads a verb's module when it is asked for."""

from __future__ import annotations

import difflib
import importlib

import click

from lambent.cli.options import global_flags
from lambent.cli.verbs import SUMMARY, VERBS, help_text
from lambent.delivery.problem import USAGE, Problem


class Root(click.Group):
    """Loads a verb's module when it is asked for, and lists them by panel."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"lambent.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, n=1, cutoff=0.5)
            raise Problem(
                "UNKNOWN_VERB",
                f"there is no verb '{args[0]}'",
                fix=f"lambent {near[0]}" if near else "lambent --help",
                exit_code=USAGE,
            )
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002
        return help_text()


root = Root(
    name="lambent",
    params=global_flags(hidden=False),
    help=SUMMARY,
    context_settings={"help_option_names": ["-h", "--help"]},
)
