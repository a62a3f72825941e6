"""`lambent doctor [--fix]`: what this machine can do for a server, and what to do about the rest.

The probes are `lambent.doctor`, run as a process; here they are only shown. Exit code 1 when
something that is needed is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import Problem

MODULE: Final = "lambent.doctor"
_STYLES: Final = {"ok": "green", "warn": "yellow", "missing": "red"}
_WIDTH: Final = 16


@click.command(cls=Verb)
@click.option("--fix", is_flag=True, help="Mend what is safe to mend (as root).")
@click.pass_obj
def command(options: Options, fix: bool) -> int:  # noqa: FBT001  click passes by name
    """Look at this machine: what works, what is missing, and the remedy."""
    out = Output(options)
    findings = []
    with out.progress() as progress:
        for news in _examine(fix=fix, word_given=options.yes):
            if "begins" in news:
                progress(f"looking at {news['begins']}")
                continue
            findings.append(news)
            progress.clear()
            if not out.as_json:
                _show(out, news)
    good = all(finding["status"] != "missing" for finding in findings)
    if out.as_json:
        out.result({"ok": good, "findings": findings}, [])
    elif not good:
        out.hints("lambent doctor --fix", "lambent up --sandbox process")
    else:
        out.hints("lambent up -d")
    return 0 if good else 1


def _examine(*, fix: bool, word_given: bool) -> Iterator[dict[str, Any]]:
    """What the process says, line by line."""
    from lambent import settings
    from lambent.cli import project

    # The probes look with the eyes of the server that `up` would start from here.
    loaded = settings.load_with_origins(project=project.settings_file())
    words = [*(["--fix"] if fix else []), *(["--yes"] if word_given else [])]
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | project.as_environment(loaded, ("project",)),
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                news = json.loads(line)
                yield news
            assert process.stderr is not None
            said = process.stderr.read().strip().splitlines()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise Problem(
            "DOCTOR_FAILED",
            f"the examination ended with exit code {process.returncode}",
            why=said[-1] if said else "",
            fix=f"{sys.executable} -m {MODULE}     shows where",
        )


def _show(out: Output, finding: dict[str, Any]) -> None:
    status = finding["status"]
    head = out.style(status.ljust(8), _STYLES[status])
    print(f"  {head} {finding['name'].ljust(_WIDTH)} {finding['said']}")
    for label in ("did", "why", "fix"):
        # A remedy under something that works is said too where there is one: what could be added.
        if finding[label]:
            print(f"           {' ' * _WIDTH} {out.style(label, 'dim')}  {finding[label]}")
    sys.stdout.flush()
