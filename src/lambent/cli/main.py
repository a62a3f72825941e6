"""`lambent`: finds the verb, runs it, and turns what went wrong into a message and an exit code.

Verbs are a table (`verbs`), click's part is `root`; both that and the verb's own module are loaded
only when they are needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from lambent.cli.verbs import help_text
from lambent.delivery.problem import USAGE, Problem

if TYPE_CHECKING:
    from lambent.cli.options import Options

INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    if "_LAMBENT_COMPLETE" in os.environ:
        from lambent.cli import completing

        sys.exit(completing.answer())
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words in (["-h"], ["--help"]):
        print(help_text())
        sys.exit(0 if words else USAGE)
    sys.exit(_run(words))


def _run(arguments: list[str]) -> int:
    import click

    from lambent.cli.options import Options
    from lambent.cli.output import Output
    from lambent.cli.root import root

    options = Options()
    try:
        code = root.main(arguments, prog_name="lambent", standalone_mode=False, obj=options)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help())
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe left, such as `head`; the interpreter would complain at exit.
        sys.stdout = None
        return 1
    except Exception as error:  # noqa: BLE001  the last resort: a user gets words and an exit code
        if options.debug:
            import traceback

            traceback.print_exc()
        problem = _problem(error, options, json_asked="--json" in arguments)
        Output(options).problem(problem)
        return problem.exit_code
    return code if isinstance(code, int) else 0


def _problem(error: Exception, options: Options, *, json_asked: bool) -> Problem:
    """Whatever was raised, as something with a code and a fix."""
    import click

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
        return Problem(error.code, str(error), fix=error.fix, exit_code=USAGE)
    if isinstance(error, OSError) and error.filename:
        return Problem("FILE", f"{error.filename}: {error.strerror}", fix="check path and rights")
    return Problem(
        "INTERNAL",
        f"{type(error).__name__}: {error}",
        fix="this is a defect of lambent; --debug shows where it happened",
    )
