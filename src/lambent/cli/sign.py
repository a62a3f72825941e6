"""`lambent sign`: key pairs of one's own, and packages that servers with code signing take.

What AWS Signer is to AWS. A signature is judged by the server's `signing_dir`, which on this
machine is where `sign profile` puts the certificate.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.delivery import signing
from lambent.delivery.problem import USAGE, Problem
from lambent.signing import judging, profiles

_folder = click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="Where the profiles are."
)


@click.group("sign", cls=Family)
def command() -> None:
    """Sign packages, so that code signing configs let them through."""


@command.command("profile", cls=Verb)
@click.argument("name")
@click.option("--account", default="123456789012", metavar="NUMBER", help="Whose profile it is.")
@click.option(
    "--days", type=click.IntRange(1, 36_500), default=signing.DAYS, help="How long it signs."
)
@_folder
@click.pass_obj
def profile(options: Options, name: str, account: str, days: int, folder: Path | None) -> None:
    """Make a new version of profile NAME: a key that signs, and a certificate that tells.

    The key stays here. A server on another machine needs the certificate in its signing_dir.
    """
    region = options.region or "us-east-1"
    try:
        made = profiles.create(
            folder or profiles.default_dir(), name, account, region, days, datetime.now(UTC)
        )
    except profiles.ProfileError as error:
        raise signing.no_profile(name, error) from None
    facts = {
        "profileVersionArn": made.arn,
        "certificate": str(made.certificate),
        "expires": made.expires_at.isoformat(),
    }
    out = Output(options)
    out.result(facts, [("profile version", made.arn), ("certificate", facts["certificate"])])
    out.hints(f"lambent sign zip FILE {name}")


@command.command("zip", cls=Verb)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name", metavar="PROFILE")
@click.option("-o", "--output", "to", type=click.Path(path_type=Path), help="Instead of FILE.")
@click.option(
    "--days", type=click.IntRange(1, 36_500), default=signing.DAYS, help="How long it holds."
)
@_folder
@click.pass_obj
def sign_zip(
    options: Options, file: Path, name: str, to: Path | None, days: int, folder: Path | None
) -> None:
    """Sign the package FILE (code or a layer) with the newest version of PROFILE."""
    package = _bytes(file)
    signer = signing.signer_of(name, folder)
    (to or file).write_bytes(signing.anew(package, signer, days, str(file)))
    out = Output(options)
    facts = {"file": str(to or file), "profileVersionArn": signer.arn}
    out.result(facts, [("signed", facts["file"]), ("profile version", signer.arn)])
    out.hints(f"lambent sign show {facts['file']}")


@command.command("show", cls=Verb)
@click.argument("file", type=click.Path(path_type=Path))
@_folder
@click.pass_obj
def show(options: Options, file: Path, folder: Path | None) -> int:
    """Judge the signature of FILE by the certificates here; exits with 1 unless it holds."""
    _bytes(file)
    trust = partial(profiles.trusted, folder or profiles.default_dir())
    try:
        finding = judging.judge(file, trust)
    except ValueError:  # no bytes at all
        raise Problem("SIGN_PACKAGE", f"{file} is no zip", exit_code=USAGE) from None
    said = finding.statement
    holds = (
        finding.kind == "signed"
        and not finding.revoked
        and finding.expires_at is not None
        and finding.expires_at > datetime.now(UTC)
    )
    facts: dict[str, str | bool] = {"signature": finding.kind, "valid": holds}
    if finding.kind == "signed" and not holds:
        facts["signature"] = "revoked" if finding.revoked else "expired"
    if said is not None:
        facts |= {
            "profileVersionArn": said.profile_version_arn,
            "jobArn": said.job_arn,
            "signed": said.signed_at.isoformat(),
            "expires": (finding.expires_at or said.expires_at).isoformat(),
        }
    rows = [(key, str(value)) for key, value in facts.items() if key != "valid"]
    Output(options).result(facts, rows)
    return 0 if holds else 1


def _bytes(file: Path) -> bytes:
    if not file.is_file():
        raise Problem("FILE", f"there is no {file}", exit_code=USAGE)
    return file.read_bytes()
