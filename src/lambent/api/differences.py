"""Where an operation that is served differs from AWS, in one sentence each, for docs/api.md.

Only what a client can notice. An operation that is not named here and is served answers as AWS
documents it; refused ones say why themselves (`operations/durable.py`). `document` reads this.
"""

from __future__ import annotations

from typing import Final

_CONFIGURATION: Final = (
    "AcceleratorConfig, DurableConfig and RuntimeConfig are refused by one sentence; "
    "a VPC is checked and shown, and does not change how functions reach the network"
)

DIFFERENCES: Final[dict[str, str]] = {
    "CreateCodeSigningConfig": (
        "signatures are those of `lambent sign`; one of AWS Signer counts as nobody's, because its "
        "format is not public. What Warn lets through is in the server's log and counted in "
        "`lambent_signature_validation_errors_total`"
    ),
    "CreateEventSourceMapping": (
        "SQS, Kinesis and DynamoDB streams are read, without tumbling windows, and a consumer like its stream; "
        "a mapping of any other source is kept as on AWS and not polled, which the server's log "
        "says when it is made"
    ),
    "CreateFunction": (
        f"{_CONFIGURATION}; SnapStart is taken for every runtime; S3ObjectStorageMode REFERENCE is "
        "refused; a function for another processor is created and says so at invoke"
    ),
    "GetFunction": "Code.Location is a link to this server, good for ten minutes",
    "Invoke": "X-Amz-Durable-Execution-Name is refused; container images need an isolating sandbox",
    "InvokeWithResponseStream": "container images need an isolating sandbox",
    "PutRuntimeManagementConfig": (
        "what is said is kept and shown; runtimes change when the machine's owner changes them"
    ),
    "ListFunctions": "MasterRegion finds nothing: there are no Lambda@Edge replicas",
    "UpdateFunctionCode": "S3ObjectStorageMode REFERENCE is refused",
    "UpdateFunctionConfiguration": _CONFIGURATION,
}
"""By operation."""
