"""`lambent init`: a new project from a template that came with lambent.

Templates lie in `templates/<name>/`, each file with `.tmpl` at its end so that no tool takes it for
a part of lambent; `@@NAME@@`, `@@RUNTIME@@`, `@@PYTHON@@` and `@@SERVER@@` (what the inference server
requires) are filled in. The runtime is the newest that is on this machine and that AWS still accepts.
Templates of models also get the inference server's sources.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery import model_function, variants
from lambent.delivery.problem import USAGE, Problem

SERVED = ("onnx", "vision", "tabular")
TEMPLATES = ("sklearn", *SERVED, "plain", "node")


@click.command(cls=Verb)
@click.argument("name", required=False)
@click.option("--template", type=click.Choice(TEMPLATES), default="plain", show_default=True)
@click.option("--runtime", help="Such as python3.13 or nodejs24.x; the newest present by default.")
@click.pass_obj
def command(options: Options, name: str | None, template: str, runtime: str | None) -> None:
    """Write a new project into the folder NAME, or into this one."""
    folder = Path(name) if name else Path()
    function = (folder if name else Path.cwd()).name
    if not re.fullmatch(r"[A-Za-z0-9-_]{1,64}", function):
        raise Problem(
            "NAME_INVALID",
            f"'{function}' cannot be a function's name",
            why="Lambda takes letters, digits, - and _, at most 64",
            fix="lambent init NAME",
            exit_code=USAGE,
        )
    files = render(template, function, runtime or newest_runtime(template))
    present = [path for path in files if (folder / path).exists()]
    if present and not options.yes:
        raise Problem(
            "FILES_EXIST",
            f"{folder / present[0]} is already there",
            fix="lambent init OTHER_NAME     or     -y to write over it",
            exit_code=3,
        )
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    made = sorted(files)
    if template in SERVED:
        model_function.copy_server(folder)
        made.append(f"{model_function.SERVER}/")
    out = Output(options)
    out.result(
        {"folder": str(folder), "function": function, "template": template, "files": made},
        [("created", f"{folder}/  {', '.join(made)}")],
    )
    go = f"cd {folder} && " if name else ""
    event = " -d @event.json" if "event.json" in files else ""
    out.hints(f"{go}lambent deploy", f"lambent invoke {function}{event}")


def newest_runtime(template: str = "plain") -> str:
    """`python3.13`: the newest on this machine that AWS accepts, else the newest there is."""
    from lambent.runtimes import catalog

    family: catalog.Family = "nodejs" if template == "node" else "python"
    accepted = catalog.accepted(datetime.now(UTC).date(), family)
    known = [row.identifier for row in catalog.TABLE if row.family == family]
    return catalog.newest_present(accepted) or catalog.newest_present(known) or accepted[0]


def render(template: str, name: str, runtime: str) -> dict[str, str]:
    """The project's files by relative path."""
    top = resources.files("lambent.cli") / "templates" / template
    required = _required(template)
    return {
        path: text.replace("@@NAME@@", name)
        .replace("@@RUNTIME@@", runtime)
        .replace("@@PYTHON@@", runtime.removeprefix("python"))
        .replace("@@SERVER@@", "\n".join(required))
        for path, text in _texts(top, "")
    }


def _required(template: str) -> list[str]:
    """What the inference server requires, where the template brings it."""
    if template not in SERVED:
        return []
    left_out = variants.TABULAR.without if template == "tabular" else frozenset[str]()
    return variants.required(without=left_out)


def _texts(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.is_dir():
            found += _texts(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name.removesuffix(".tmpl"), entry.read_text()))
    return found
