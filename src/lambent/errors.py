"""Every error that lambent raises on purpose.

    LambentError
    ├── ConfigurationError            a setting that cannot be honoured; says which and how to mend it
    ├── SandboxError                  the host could not make or keep a sandbox; `fix` says what to do
    └── AwsError                      what an AWS client must see; `api/errors.py` alone renders it
        ├── ValidationException               400  {"message"} only, as AWS's edge answers
        ├── SerializationException            400  the body's JSON, or a value's type, cannot be read
        ├── IncompleteSignature               400
        ├── InvalidParameterValue             400
        ├── InvalidRequestContent             400
        ├── RecursiveInvocation               400  body says `Message`
        ├── AccessDenied                      403
        ├── UnrecognizedClient                403
        ├── ExpiredToken                      403
        ├── InvalidSignature                  403
        ├── ResourceNotFound                  404  body says `Message`
        ├── ResourceConflict                  409
        ├── CodeArtifactUserPending           409  an Inactive image is being made ready
        ├── SnapStartFailure                  400  a restore failed
        ├── SnapStartTimeout                  408
        ├── SnapStartNotReady                 409
        ├── SnapStartRegenerationFailure      409
        ├── ResourceNotReady                  502
        ├── PreconditionFailed                412
        ├── RequestEntityTooLarge             413  {"message"} only
        ├── RequestTooLarge                   413
        ├── UnsupportedMediaType              415
        ├── TooManyRequests                   429  carries AWS's throttle `reason`
        ├── CodeStorageExceeded               400
        ├── PolicyLengthExceeded              400
        ├── PublicPolicy                      400
        ├── ResourceInUse                     400  an event source mapping that is just changing
        ├── InvalidCodeSignature              400  the package is not what was signed
        ├── CodeVerificationFailed            400  Enforce, and no signature that counts
        ├── CodeSigningConfigNotFound         404
        ├── CapacityProviderLimitExceeded     400
        ├── NoPublishedVersion                400
        ├── ProvisionedConcurrencyNotFound    404
        ├── InvalidParameter                  400  CloudWatch Logs', which answers every client error so
        ├── ResourceAlreadyExists             400  the same
        ├── TooManyTags                       400  the same
        ├── OperationNotAllowed               400  the same: a protected log group
        ├── StackError                        400  CloudFormation's ValidationError, and its kin:
        │   ├── StackExists                   400
        │   ├── ChangeSetNotFound             404
        │   ├── InvalidChangeSetStatus        400
        │   └── InsufficientCapabilities      400
        ├── CodedError                        as it says: of services whose models declare few errors
        │   ├── S3Error
        │   └── IamError
        ├── KmsAccessDenied                   502  body says `Message`, as its three kin:
        ├── KmsDisabled, KmsNotFound, KmsInvalidState
        ├── InvalidRuntime                    502
        ├── InvalidZipFile                    502
        ├── FileSystemMountFailure            403  body says `Message`
        ├── ServiceException                  500
        └── NotAvailable                      501  an operation of the model that is not built yet

The wire facts are LAMBDA.md's "Wire and error shapes" (AWS Lambda API reference, Common errors).
Rules raise; nothing catches one of these to hide it.
"""

from __future__ import annotations

from typing import ClassVar, Literal


class LambentError(Exception):
    """The root; never raised itself."""


class ConfigurationError(LambentError):
    """A setting that cannot be honoured. `code` is stable and explained in docs/errors.md."""

    def __init__(self, message: str, *, code: str = "SETTING_INVALID", fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix


class SandboxError(LambentError):
    """The host could not make or keep a sandbox.

    `code` is stable and explained in docs/errors.md, `fix` a command or setting that helps.
    """

    def __init__(self, message: str, *, code: str = "SANDBOX_UNAVAILABLE", fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix


class AwsError(LambentError):
    """What an AWS client must see: a code, an HTTP status, a message.

    `typed` says whether the body carries `Type`; `message_key` is how AWS spells the message there.
    """

    code: ClassVar[str] = "ServiceException"
    status: ClassVar[int] = 500
    type: ClassVar[Literal["User", "Service"]] = "User"
    typed: ClassVar[bool] = True
    message_key: ClassVar[Literal["message", "Message"]] = "message"

    def __init__(self, message: str | None, **members: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.members = members
        """Further members of the modelled error, by their AWS names, such as `Reason`."""


class ValidationException(AwsError):  # noqa: N818  AWS's name
    """The request breaks a constraint of the model; answered without `Type`."""

    code, status, typed = "ValidationException", 400, False


class SerializationException(AwsError):  # noqa: N818  AWS's name
    """The request cannot be read as what the model says; answered before any validation."""

    code, status, typed = "SerializationException", 400, False


class IncompleteSignature(AwsError):  # noqa: N818
    """The Authorization header or the presigned query lacks something."""

    code, status, typed = "IncompleteSignatureException", 400, False


class InvalidParameterValue(AwsError):  # noqa: N818  named after AWS's InvalidParameterValueException
    code, status = "InvalidParameterValueException", 400


class UntypedInvalidParameterValue(InvalidParameterValue):
    """The same without `Type`: LAMBDA.md 2 lists where AWS leaves it out."""

    typed = False


class RecursiveInvocation(AwsError):  # noqa: N818
    """A chain of invokes has come back to the same function too often."""

    code, status, message_key = "RecursiveInvocationException", 400, "Message"


class InvalidRequestContent(AwsError):  # noqa: N818
    code, status = "InvalidRequestContentException", 400


class AccessDenied(AwsError):  # noqa: N818
    code, status, typed = "AccessDeniedException", 403, False


class UnrecognizedClient(AwsError):  # noqa: N818
    code, status, typed = "UnrecognizedClientException", 403, False


class ExpiredToken(AwsError):  # noqa: N818
    code, status, typed = "ExpiredTokenException", 403, False


class InvalidSignature(AwsError):  # noqa: N818
    code, status, typed = "InvalidSignatureException", 403, False


class MissingAuthenticationToken(AwsError):  # noqa: N818
    code, status, typed = "MissingAuthenticationTokenException", 403, False


class UnknownOperation(AwsError):  # noqa: N818
    """No operation of the model has this method and path."""

    code, status, typed = "UnknownOperationException", 404, False


class ResourceNotFound(AwsError):  # noqa: N818
    code, status, message_key = "ResourceNotFoundException", 404, "Message"


class ResourceConflict(AwsError):  # noqa: N818
    code, status = "ResourceConflictException", 409


class CodeArtifactUserPending(AwsError):  # noqa: N818
    """The image of a version that nobody has called for weeks is being made ready again."""

    code, status = "CodeArtifactUserPendingException", 409


class SnapStartFailure(AwsError):  # noqa: N818
    code, status = "SnapStartException", 400


class SnapStartTimeout(AwsError):  # noqa: N818
    code, status = "SnapStartTimeoutException", 408


class SnapStartNotReady(AwsError):  # noqa: N818
    """The snapshot of a version that has just been published is being made."""

    code, status = "SnapStartNotReadyException", 409


class SnapStartRegenerationFailure(AwsError):  # noqa: N818
    """The snapshot of an Active version had to be made again, and its Init failed."""

    code, status = "SnapStartRegenerationFailureException", 409


class ResourceNotReady(AwsError):  # noqa: N818
    code, status = "ResourceNotReadyException", 502


class PreconditionFailed(AwsError):  # noqa: N818
    code, status = "PreconditionFailedException", 412


class RequestEntityTooLarge(AwsError):  # noqa: N818
    """The whole request passes the front door's limit; AWS answers without `Type`."""

    code, status, typed = "RequestEntityTooLargeException", 413, False


class RequestTooLarge(AwsError):  # noqa: N818
    """An invoke payload passes 6 MB, or 1 MB for an event."""

    code, status = "RequestTooLargeException", 413


class UnsupportedMediaType(AwsError):  # noqa: N818
    code, status = "UnsupportedMediaTypeException", 415


class TooManyRequests(AwsError):  # noqa: N818
    """A throttle. `reason` is AWS's `Reason`; `retry_after_s` becomes the Retry-After header."""

    code, status = "TooManyRequestsException", 429

    def __init__(self, message: str, *, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(message, Reason=reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class KmsAccessDenied(AwsError):  # noqa: N818
    """KMS does not open a version's environment variables; `refused_by_kms` makes these four."""

    code, status, message_key = "KMSAccessDeniedException", 502, "Message"


class KmsDisabled(AwsError):  # noqa: N818
    code, status, message_key = "KMSDisabledException", 502, "Message"


class KmsNotFound(AwsError):  # noqa: N818
    code, status, message_key = "KMSNotFoundException", 502, "Message"


class KmsInvalidState(AwsError):  # noqa: N818
    code, status, message_key = "KMSInvalidStateException", 502, "Message"


def refused_by_kms(code: str, message: str) -> AwsError:
    """What an invoke answers, for what KMS said."""

    def text(why: str) -> str:
        return (
            f"Lambda was unable to decrypt the environment variables because {why}. Please check "
            f"the function's KMS key settings. KMS Exception: {code} KMS Message: {message}"
        )

    match code:
        case "DisabledException":
            return KmsDisabled(text("the KMS key used is disabled"))
        case "NotFoundException":
            return KmsNotFound(text("the KMS key was not found"))
        case "KMSInvalidStateException":
            return KmsInvalidState(text("the state of the KMS key used is not valid for Decrypt"))
        case "AccessDeniedException":
            return KmsAccessDenied(text("KMS access was denied"))
    return KmsAccessDenied(text("KMS could not be asked"))


class CodeStorageExceeded(AwsError):  # noqa: N818
    code, status = "CodeStorageExceededException", 400


class CapacityProviderLimitExceeded(AwsError):  # noqa: N818
    code, status = "CapacityProviderLimitExceededException", 400


class NoPublishedVersion(AwsError):  # noqa: N818
    """A function on a capacity provider is invoked, and no version of it is published."""

    code, status, message_key = "NoPublishedVersionException", 400, "Message"


class PolicyLengthExceeded(AwsError):  # noqa: N818
    code, status = "PolicyLengthExceededException", 400


class PublicPolicy(AwsError):  # noqa: N818
    """A policy that would let anybody in."""

    code, status = "PublicPolicyException", 400


class ResourceInUse(AwsError):  # noqa: N818
    code, status = "ResourceInUseException", 400


class CodeVerificationFailed(AwsError):  # noqa: N818
    """No valid signature of an allowed publisher, and the config says Enforce."""

    code, status = "CodeVerificationFailedException", 400


class InvalidCodeSignature(AwsError):  # noqa: N818
    """A package was changed after it was signed; no policy lets it through."""

    code, status = "InvalidCodeSignatureException", 400


class CodeSigningConfigNotFound(AwsError):  # noqa: N818
    code, status, message_key = "CodeSigningConfigNotFoundException", 404, "Message"


class UntypedResourceNotFound(ResourceNotFound):
    """The same without `Type`: LAMBDA.md 2 lists where AWS leaves it out."""

    typed = False


class ProvisionedConcurrencyNotFound(AwsError):  # noqa: N818
    code, status = "ProvisionedConcurrencyConfigNotFoundException", 404


class InvalidParameter(AwsError):  # noqa: N818
    """CloudWatch Logs' word for every request that cannot be right."""

    code, status = "InvalidParameterException", 400


class ResourceAlreadyExists(AwsError):  # noqa: N818
    code, status = "ResourceAlreadyExistsException", 400


class TooManyTags(AwsError):  # noqa: N818
    code, status = "TooManyTagsException", 400


class OperationNotAllowed(AwsError):  # noqa: N818
    """A log group whose deletion protection is on."""

    code, status = "ValidationException", 400


class StackError(AwsError):
    """CloudFormation's ValidationError: a template or a change that cannot be."""

    code, status = "ValidationError", 400


class StackExists(StackError):  # noqa: N818
    code = "AlreadyExistsException"


class ChangeSetNotFound(StackError):  # noqa: N818
    code, status = "ChangeSetNotFound", 404


class InvalidChangeSetStatus(StackError):  # noqa: N818
    """It was executed already, or there was nothing to execute."""

    code = "InvalidChangeSetStatus"


class InsufficientCapabilities(StackError):  # noqa: N818
    """The template makes roles or has a transform, and nobody said that it may."""

    code = "InsufficientCapabilitiesException"


class CodedError(AwsError):
    """An error by its own code and status, of a service whose model declares few of them."""

    def __init__(self, code: str, message: str, status: int, **members: str) -> None:
        super().__init__(message, **members)
        self.wire_code = code
        self.wire_status = status


class S3Error(CodedError):
    """What S3 answers."""


class IamError(CodedError):
    """What IAM answers."""


class InvalidRuntime(AwsError):  # noqa: N818
    """The function's runtime has no interpreter on this machine; the message says what to install."""

    code, status, type = "InvalidRuntimeException", 502, "Service"


class InvalidZipFile(AwsError):  # noqa: N818
    code, status = "InvalidZipFileException", 502


class FileSystemMountFailure(AwsError):  # noqa: N818
    """A function's file system cannot be shown to it."""

    code, status, message_key = "EFSMountFailureException", 403, "Message"


class ServiceException(AwsError):  # noqa: N818
    """Our own failure: the client may retry."""

    code, status, type = "ServiceException", 500, "Service"


class NotAvailable(AwsError):  # noqa: N818
    """An operation of the model that this version does not serve yet."""

    code, status, type = "NotImplementedException", 501, "Service"

    def __init__(self, operation: str) -> None:
        super().__init__(f"{operation} is not available in this version of lambent")
