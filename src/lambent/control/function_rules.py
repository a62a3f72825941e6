"""What may be asked of a function's code and versions: rules that need only what they are given.

CreateFunction, UpdateFunctionCode and DeleteFunction (`functions`) apply them, by AWS's texts
(LAMBDA.md 13, 72).
"""

from __future__ import annotations

from typing import Final

from lambent.control import images
from lambent.control.attachments import without
from lambent.control.bundle import Bundle, routed_versions
from lambent.control.code_signing import IMAGES_ARE_NOT_SIGNED
from lambent.control.names import LATEST as LATEST_NAME
from lambent.control.names import not_found_text, version_number
from lambent.control.provisioned import without_provisioned
from lambent.control.requests import CreateFunction, UpdateFunctionCode
from lambent.errors import InvalidParameterValue, ResourceConflict, ResourceNotFound
from lambent.store.records import Code, Configuration

MAX_TAGS: Final = 50


def check_package_type(request: CreateFunction) -> None:
    """An image or a zip, and nothing that belongs to the other."""
    image = request.package_type == "Image"
    images.check_kind(request, image=image)
    if image and not request.code.image_uri:
        raise InvalidParameterValue(
            "Please provide ImageUri when creating a function with packageType Image."
        )
    if not image and request.code.image_uri is not None:
        raise InvalidParameterValue(
            "Please don't provide ImageUri when creating a function with packageType Zip."
        )
    if image and request.code_signing_config_arn is not None:
        raise InvalidParameterValue(IMAGES_ARE_NOT_SIGNED)


def check_mandatory(request: CreateFunction) -> None:
    if request.package_type == "Zip" and (not request.runtime or not request.handler):
        raise InvalidParameterValue(
            "Runtime and Handler are mandatory parameters for functions created with "
            "deployment packages."
        )
    if len(request.tags or {}) > MAX_TAGS:
        raise InvalidParameterValue("Number of tags exceeds resource tag limit.")


def check_code_kind(request: UpdateFunctionCode, *, image: bool) -> None:
    if image and request.image_uri is None:
        raise InvalidParameterValue(
            "Please provide ImageUri when updating a function with packageType Image."
        )
    if not image and request.image_uri is not None:
        raise InvalidParameterValue(
            "Please don't provide ImageUri when updating a function with packageType Zip."
        )


def packages(kept: Configuration, code: Code | None = None) -> list[str]:
    """What is judged before a deployment: the code, and every layer."""
    layers = [use.sha256 for use in kept.layers]
    return layers if code is None or code.image_uri else [code.sha256, *layers]


def check_signing_is(bundle: Bundle, config_arn: str) -> None:
    """Packages were judged by one config; another has been put meanwhile."""
    if bundle.function.code_signing_config_arn != config_arn:
        raise ResourceConflict(
            "The operation cannot be performed at this time. An update is in progress for "
            f"resource: {bundle.arn}"
        )


def source_key(code: Code) -> dict[str, str]:
    return {"SourceKMSKeyArn": code.source_kms_key_arn} if code.source_kms_key_arn else {}


def without_version(bundle: Bundle, qualifier: str) -> Bundle:
    """The bundle less one version. One that does not exist is as good as deleted."""
    if qualifier == LATEST_NAME:
        raise InvalidParameterValue(
            "$LATEST version cannot be deleted without deleting the function."
        )
    number = version_number(qualifier)
    if number is None:
        if qualifier in bundle.aliases:
            raise InvalidParameterValue("Deletion of aliases is not currently supported.")
        raise ResourceNotFound(not_found_text(bundle.scope, bundle.function.name))
    users = [a.name for a in bundle.aliases.values() if qualifier in routed_versions(a)]
    if users:
        raise ResourceConflict(
            "Unable to delete version because the following aliases reference it: "
            f"[{', '.join(sorted(users))}]"
        )
    if number not in bundle.versions:
        return bundle
    return without(without_provisioned(bundle, qualifier), qualifier).without_version(number)
