"""`eval "$(lambent completion bash)"`: verbs, flags and functions complete at Tab from then on.

It prints the script even when piped, because that is how it is used; `--json` gives an object.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Final

import click

from lambent.cli import completing
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import USAGE, Problem

_PLACES: Final = {
    "bash": ("~/.bashrc", 'eval "$(lambent completion bash)"'),
    "zsh": ("~/.zshrc, after compinit", 'eval "$(lambent completion zsh)"'),
    "fish": ("~/.config/fish/config.fish", "lambent completion fish | source"),
}


@click.command(cls=Verb)
@click.argument("shell", required=False, type=click.Choice(completing.SHELLS))
@click.pass_obj
def command(options: Options, shell: str | None) -> None:
    """Print the script that makes SHELL (yours by default) complete at Tab."""
    wanted = shell or Path(os.environ.get("SHELL", "")).name
    if wanted not in completing.SHELLS:
        raise Problem(
            "SHELL_UNKNOWN",
            f"no completion for the shell '{wanted}'" if wanted else "which shell?",
            fix="lambent completion " + "|".join(completing.SHELLS),
            exit_code=USAGE,
        )
    text = completing.script(wanted)
    if options.json:
        print(json.dumps({"shell": wanted, "script": text}))
        return
    print(text)
    if sys.stdout.isatty():
        place, line = _PLACES[wanted]
        Output(options).note(f"to use it, put this into {place}:  {line}")
