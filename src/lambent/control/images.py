"""Container images as code: which image a function names, by its digest.

Where an ECR endpoint is configured the image must be there, and its digest is the registry's. Else
the URI's own digest counts, or one made of the URI, which changes when the URI does. What runs an
image is the engine's matter; here stand AWS's rules for what may be said of one (LAMBDA.md 72).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import structlog

from lambent.control.aws_clients import AwsClients
from lambent.control.image_store import ImageStore
from lambent.control.names import Scope
from lambent.control.requests import CreateFunction, UpdateFunctionConfiguration
from lambent.control.requests import ImageConfig as ImageConfigRequest
from lambent.errors import InvalidParameterValue
from lambent.store.records import Architecture, Code, ImageConfig

log = structlog.get_logger("lambent.control")

_URI: Final = re.compile(
    r"(?P<repository>[^@\s]+?)(:(?P<tag>[\w.-]{1,128}))?(@sha256:(?P<digest>[0-9a-f]{64}))?",
    re.ASCII,
)


class Images:
    """From an ImageUri to `Code`."""

    def __init__(self, clients: AwsClients, store: ImageStore | None = None) -> None:
        self._clients = clients
        self._store = store

    async def code(self, scope: Scope, uri: str, architecture: Architecture) -> Code:
        """Raises AWS's refusal for an image that ECR does not have."""
        found = _URI.fullmatch(uri)
        if found is None:
            raise InvalidParameterValue(
                f"Source image {uri} is not valid. Provide a valid source image."
            )
        digest = await self._digest(scope, uri, found)
        return Code(sha256=digest, size=0, image_uri=uri, architecture=architecture)

    async def _digest(self, scope: Scope, uri: str, found: re.Match[str]) -> str:
        if self._clients.endpoint("ecr") is None:
            if self._store is not None and not found["digest"]:
                return await self._store.resolve(uri)
            return found["digest"] or hashlib.sha256(uri.encode()).hexdigest()
        name = found["repository"].partition("/")[2]
        wanted = (
            {"imageDigest": f"sha256:{found['digest']}"}
            if found["digest"]
            else {"imageTag": found["tag"] or "latest"}
        )
        answer = await self._clients.run(lambda: self._described(scope, name, wanted))
        if answer is None:
            raise InvalidParameterValue(
                f"Source image {uri} does not exist. Provide a valid source image."
            )
        return answer

    def _described(self, scope: Scope, name: str, wanted: dict[str, str]) -> str | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            details: list[dict[str, Any]] = self._clients.client(
                "ecr", scope.region
            ).describe_images(repositoryName=name, imageIds=[wanted])["imageDetails"]
        except (ClientError, BotoCoreError) as error:
            log.info("image.not_found", repository=name, reason=str(error))
            return None
        return str(details[0]["imageDigest"]).removeprefix("sha256:") if details else None


def resolved(code: Code) -> str:
    """ResolvedImageUri: the repository at the digest."""
    found = _URI.fullmatch(code.image_uri)
    repository = found["repository"] if found else code.image_uri
    return f"{repository}@sha256:{code.sha256}"


def check_kind(request: CreateFunction | UpdateFunctionConfiguration, *, image: bool) -> None:
    """Members that go with the other package type are refused."""
    if image and (request.runtime or request.handler or request.layers):
        raise InvalidParameterValue(
            "Please don't provide Handler or Runtime or Layer when the intended function "
            "PackageType is Image."
        )
    if not image and request.image_config is not None:
        raise InvalidParameterValue(
            "Please don't provide ImageConfig when the intended function PackageType is Zip."
        )


def config(request: ImageConfigRequest) -> ImageConfig | None:
    """An update replaces it whole; an empty one removes it."""
    made = ImageConfig(request.entry_point, request.command, request.working_directory)
    return None if made == ImageConfig() else made
