"""`Transform: AWS::Serverless-2016-10-31`, by AWS's own translator (`aws-sam-translator`).

It is an extra of the package and takes a second to import, so it is loaded when a template asks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

SAM: Final = "AWS::Serverless-2016-10-31"


class NotTransformed(Exception):  # noqa: N818  says what it is
    """The template breaks SAM's rules, or the translator is not installed; the message says which."""


def apply(document: dict[str, Any], values: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The template without SAM's resources; raises `NotTransformed` with the translator's reasons."""
    try:
        import boto3
        from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
        from samtranslator.parser.parser import Parser
        from samtranslator.public.exceptions import InvalidDocumentException
        from samtranslator.translator.translator import Translator
    except ImportError:
        raise NotTransformed(
            "The SAM transform needs the package aws-sam-translator here: "
            "pip install 'lambent[sam]'"
        ) from None
    os.environ.setdefault("AWS_DEFAULT_REGION", region)
    metrics = Metrics("ServerlessTransform", DummyMetricsPublisher())
    translator = Translator(
        managed_policy_map=_Managed(),
        sam_parser=Parser(),
        boto_session=boto3.session.Session(region_name=region),
        metrics=metrics,
    )
    try:
        found: dict[str, Any] = translator.translate(document, dict(values))
    except InvalidDocumentException as error:
        reasons = "; ".join(str(cause.message) for cause in error.causes)
        raise NotTransformed(
            f"Transform {SAM} failed with: Invalid Serverless Application Specification "
            f"document. Number of errors found: {len(error.causes)}. {reasons}"
        ) from None
    finally:
        metrics.publish()  # it warns of what it has gathered and nobody took
    found.pop("Transform", None)
    found.pop("Globals", None)
    return found


class _Managed(dict[str, str]):
    """AWS's managed policies by name: their ARNs follow from it, nearly always."""

    def __missing__(self, name: str) -> str:
        service_role = name.startswith("AWSLambda") and name.endswith("Role")
        return f"arn:aws:iam::aws:policy/{'service-role/' if service_role else ''}{name}"

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  every name has one
        return self[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith(("AWS", "Amazon", "Cloud"))
