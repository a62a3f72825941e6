"""Whether packages are signed, by the certificates that this server trusts now.

`code` and `layers` show whose signature a package carries; `code_signing` asks again at every
deployment, because certificates and revocations come and go in `signing_dir` at any time.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from lambent.signing.judging import Finding, judge
from lambent.signing.profiles import trusted
from lambent.store.artifacts import Artifacts


class Signer(NamedTuple):
    """Who signed a package, as functions and layers show it; empty for nobody that is known."""

    profile_version_arn: str = ""
    job_arn: str = ""


class Signatures:
    def __init__(self, artifacts: Artifacts, folder: Path) -> None:
        self._artifacts = artifacts
        self._folder = folder

    async def judge(self, sha256: str) -> Finding:
        """Of a package that is held."""
        trust = partial(trusted, self._folder)
        return await self._artifacts.inspect(sha256, partial(judge, trust=trust))

    async def signer(self, sha256: str) -> Signer:
        finding = await self.judge(sha256)
        said = finding.statement if finding.kind == "signed" else None
        return Signer() if said is None else Signer(said.profile_version_arn, said.job_arn)
