"""What `deploy` and `diff` are about: the functions of template.yaml, with what the flags change.

`plan_options` are the flags; `planned` makes plans of them, and `recipe` says how to package one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from lambent.cli import ecr
from lambent.cli.pairs import pairs
from lambent.delivery import model_function, model_source, package, template
from lambent.delivery.aws import Aws
from lambent.delivery.images import code
from lambent.delivery.images.code import ImageCode
from lambent.delivery.problem import USAGE, Problem
from lambent.delivery.template import Extras, FunctionPlan, Project
from lambent.delivery.upload import Uploaded

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option("-t", "--template", "file", type=click.Path(path_type=Path), help="template.yaml"),
    click.option("--parameter", multiple=True, metavar="K=V", help="A parameter of the template."),
    click.option("--name", help="The function's name."),
    click.option("--source", type=click.Path(path_type=Path), help="The folder to package."),
    click.option("--handler", help="Such as handler.handler."),
    click.option("--runtime", help="Such as python3.13."),
    click.option("--memory", type=int, metavar="MB"),
    click.option("--timeout", type=int, metavar="SECONDS"),
    click.option("--architecture", type=click.Choice(["x86_64", "arm64"])),
    click.option("-e", "--env", "variables", multiple=True, metavar="K=V", help="Its environment."),
    click.option("--role", help="ARN or name of its role; made on AWS by default."),
    click.option("--alias", help="The alias to move (production)."),
    click.option(
        "--image-repository", metavar="HOST/NAME", help="Where an image is sent that AWS shall run."
    ),
    click.option("--bucket", help="S3 bucket for packages over 50 MB; made when absent."),
    click.option(
        "--allow-source", multiple=True, metavar="PACKAGE", help="Build it; it has no wheel."
    ),
    click.option("--sign", metavar="PROFILE", help="Sign the package (lambent sign profile)."),
    click.option("--no-bytecode", is_flag=True, help="Package sources only."),
    click.option("--fresh", is_flag=True, help="Install dependencies again."),
)


def plan_options(function: Function) -> Function:
    """The flags that describe functions, in the order of `--help`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def planned(
    aws: Aws, functions: tuple[str, ...], flags: dict[str, Any]
) -> tuple[Project, list[FunctionPlan]]:
    """The project, and the plans of `functions` (or all) with the flags over them."""
    project = _project(aws, flags)
    plans = [_with_flags(plan, flags) for plan in _chosen(project, functions)]
    if len(plans) > 1 and (flags["name"] or flags["source"]):
        raise Problem(
            "USAGE", "--name and --source are for one function", fix="name it", exit_code=USAGE
        )
    return project, plans


def planned_model(
    aws: Aws, held: ExitStack, model: str, functions: tuple[str, ...], flags: dict[str, Any]
) -> tuple[Project, list[FunctionPlan]]:
    """The plan that serves a model package; its folder stays for as long as `held` is open."""
    refused = [name for name in ("file", "source", "handler") if flags[name]]
    if functions or refused:
        raise Problem(
            "USAGE",
            "--model makes the whole function",
            why="it brings its own handler and sources",
            fix="lambent deploy --model PACKAGE --name NAME",
            exit_code=USAGE,
        )
    from lambent.cli.init import newest_runtime

    scratch = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="lambent-model-")))
    source = model_source.resolve(
        model, flags["registry"], scratch, pack=flags["pack"], endpoint_url=aws.endpoint_url
    )
    runtime = flags["runtime"] or newest_runtime()
    plan = model_function.plan(source, scratch / "function", runtime)
    return Project((plan,)), [_with_flags(plan, flags)]


def recipe(aws: Aws, plan: FunctionPlan, *, fresh: bool) -> package.Recipe:
    """How to package a plan."""
    return package.Recipe(
        plan.folder,
        plan.runtime,
        plan.architecture,
        bytecode=plan.extras.bytecode,
        allow_source=tuple(plan.extras.allow_source),
        direct_limit=direct_limit(aws),
        fresh=fresh,
    )


def shipped(
    aws: Aws,
    plan: FunctionPlan,
    progress: Callable[[str], None],
    *,
    fresh: bool,
    send: bool = True,
) -> package.Package | ImageCode:
    """What a plan's function runs: its zip, or its image, made here."""
    if plan.image is None:
        built = package.build(recipe(aws, plan, fresh=fresh), progress)
        # AWS knows no signatures but AWS Signer's.
        return built if aws.is_aws else signed(built, plan.extras.sign)
    return code.prepared(aws, plan, registry=ecr.registry(None), send=send, progress=progress)


def signed(built: package.Package, profile: str | None) -> package.Package:
    """With the signature of a profile of this machine, if one is named."""
    if profile is None:
        return built
    from lambent.delivery import signing  # it brings cryptography, which few need

    return replace(built, data=signing.signed(built.data, profile))


def shipped_facts(
    built: package.Package | ImageCode, uploaded: Uploaded | None
) -> dict[str, dict[str, Any] | None]:
    """What a result says of it."""
    if isinstance(built, ImageCode):
        bytes_ = built.built.size if built.built else None
        return {
            "package": None,
            "image": {"uri": built.uri, "sha256": built.sha256 or None, "bytes": bytes_},
        }
    return {
        "package": {
            "zipped": len(built.data),
            "unzipped": built.unzipped,
            "files": built.files,
            "bytecode": built.bytecode,
            "sha256": built.sha256,
            "s3": f"s3://{uploaded.bucket}/{uploaded.key}" if uploaded else None,
        },
        "image": None,
    }


def direct_limit(aws: Aws) -> int:
    """How large a zip may be in a request: a server of one's own may take more than AWS."""
    if aws.is_aws:
        return package.ZIPPED_LIMIT
    account = aws.functions.get_account_settings()
    return int(account["AccountLimit"]["CodeSizeZipped"])


def _project(aws: Aws, flags: dict[str, Any]) -> Project:
    """What the template says, or one function that the flags describe whole."""
    path = flags["file"] or template.find(Path())
    if path is not None and path.is_dir():
        path = template.find(path) or path / template.NAMES[0]
    if path is not None:
        if not path.is_file():
            raise Problem("FILE", f"there is no {path}", fix="-t template.yaml", exit_code=USAGE)
        without = frozenset({"Role", "Policies"} if flags["role"] else ())
        return template.read(
            path,
            parameters=pairs("--parameter", flags["parameter"]),
            region=aws.region_name,
            without=without,
            partial=True,
        )
    missing = [name for name in ("name", "handler", "runtime") if not flags[name]]
    if missing:
        raise Problem(
            "TEMPLATE_MISSING",
            "there is no template.yaml here",
            why="without one, these say what to deploy: --name --handler --runtime",
            fix="lambent init NAME     or     add --" + " --".join(missing),
            exit_code=USAGE,
        )
    folder = flags["source"] or Path()
    return Project((FunctionPlan(flags["name"], folder, flags["handler"], flags["runtime"]),))


def _chosen(project: Project, functions: tuple[str, ...]) -> list[FunctionPlan]:
    known = {plan.name: plan for plan in project.functions}
    unknown = [name for name in functions if name not in known]
    if unknown:
        raise Problem(
            "FUNCTION_UNKNOWN",
            f"the template has no function {unknown[0]}",
            fix="functions: " + ", ".join(known),
            exit_code=USAGE,
        )
    return [known[name] for name in functions] if functions else list(known.values())


def _with_flags(plan: FunctionPlan, flags: dict[str, Any]) -> FunctionPlan:
    given = {
        "name": flags["name"],
        "folder": flags["source"].resolve() if flags["source"] else None,
        "handler": flags["handler"],
        "runtime": flags["runtime"],
        "memory_mb": flags["memory"],
        "timeout_s": flags["timeout"],
        "architecture": flags["architecture"],
        "role": flags["role"],
        "alias": flags["alias"],
    }
    extras: Extras = plan.extras
    if flags["bucket"]:
        extras = msgspec.structs.replace(extras, bucket=flags["bucket"])
    if flags["sign"]:
        extras = msgspec.structs.replace(extras, sign=flags["sign"])
    if flags["no_bytecode"]:
        extras = msgspec.structs.replace(extras, bytecode=False)
    if flags["allow_source"]:
        extras = msgspec.structs.replace(
            extras, allow_source=[*extras.allow_source, *flags["allow_source"]]
        )
    image = plan.image
    if image is not None and flags["image_repository"]:
        image = replace(image, repository=flags["image_repository"])
    return replace(
        plan,
        image=image,
        environment={**plan.environment, **pairs("-e", flags["variables"])},
        extras=extras,
        **{key: value for key, value in given.items() if value is not None},
    )
