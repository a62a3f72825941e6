"""`lambent`: finds the verb, runs it, and turns what went wrong into a message and an exit code.

Verbs are a table of names and texts, so that `--help` loads none of them.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn

import click

from lambent.cli.options import Options, global_flags
from lambent.cli.output import Output
from lambent.delivery.problem import USAGE, Problem

INTERRUPTED: Final = 130


class Entry(NamedTuple):
    panel: str
    text: str


VERBS: Final = {
    "up": Entry("Start", "Run the platform here (-d: in the background)."),
    "down": Entry("Start", "Stop the platform that runs in the background."),
    "status": Entry("Start", "Say whether it runs, and where."),
    "init": Entry("Start", "Write a new project from a template."),
    "deploy": Entry("Ship", "Package, upload, publish a version, move the alias."),
    "invoke": Entry("Use", "Call a function and show its answer."),
    "logs": Entry("Use", "Show a function's log lines."),
    "env": Entry("Bridge", 'Print exports for other tools: eval "$(lambent env)".'),
    "version": Entry("Meta", "Print the version."),
}


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
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1, cutoff=0.5)
            raise Problem(
                "UNKNOWN_VERB",
                f"there is no verb '{args[0]}'",
                fix=f"lambent {near[0]}" if near else "lambent --help",
                exit_code=USAGE,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for panel in dict.fromkeys(entry.panel for entry in VERBS.values()):
            rows = [(name, entry.text) for name, entry in VERBS.items() if entry.panel == panel]
            with formatter.section(panel):
                formatter.write_dl(rows)


root = Root(
    name="lambent",
    params=global_flags(hidden=False),
    help="AWS Lambda's API with real, sandboxed execution on your own machine.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    options = Options()
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments), options))


def _run(arguments: list[str], options: Options) -> int:
    try:
        code = root.main(arguments, prog_name="lambent", standalone_mode=False, obj=options)
    except click.exceptions.NoArgsIsHelpError as shown:
        print(shown.format_message())
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe left, such as `head`; the interpreter would complain at exit.
        sys.stdout = None
        return 1
    except Exception as error:  # noqa: BLE001  the last resort: a user gets words and an exit code
        if options.debug:
            traceback.print_exc()
        problem = _problem(error, options, json_asked="--json" in arguments)
        Output(options).problem(problem)
        return problem.exit_code
    return code if isinstance(code, int) else 0


def _problem(error: Exception, options: Options, *, json_asked: bool) -> Problem:
    """Whatever was raised, as something with a code and a fix."""
    options.json = options.json or json_asked  # a usage error ends parsing before it is stored
    if isinstance(error, Problem):
        return error
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "lambent"
        return Problem(
            "USAGE", error.format_message(), fix=f"{path} --help", exit_code=error.exit_code
        )
    if "botocore" in sys.modules:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, (BotoCoreError, ClientError)):
            from lambent.delivery.aws import problem

            return problem(error, options.target())
    from lambent.errors import ConfigurationError

    if isinstance(error, ConfigurationError):
        return Problem("CONFIGURATION", str(error), fix=error.fix, exit_code=USAGE)
    if isinstance(error, OSError) and error.filename:
        return Problem("FILE", f"{error.filename}: {error.strerror}", fix="check path and rights")
    return Problem(
        "INTERNAL",
        f"{type(error).__name__}: {error}",
        fix="this is a defect of lambent; --debug shows where it happened",
    )
