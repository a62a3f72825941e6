"""AWS's codes, as far as this server answers with them."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
    Entry(
        "ValidationException",
        "400: a member breaks a constraint of AWS's model.",
        "A pattern, length, range or choice; the message names member and constraint.",
        "Send what the message asks for.",
    ),
    Entry(
        "SnapStartException",
        "400: an environment could not be restored from its version's snapshot.",
        "A function that was registered with `register_after_restore` failed, or the process ended.",
        "The environment's log has the reason; mend the hook and publish again.",
    ),
    Entry(
        "SnapStartTimeoutException",
        "408: a restore took longer than the ten seconds that it may.",
        "What runs after a restore waits for something, often a network that the sandbox has not.",
        "Do less in `register_after_restore`, or later, in the handler.",
    ),
    Entry(
        "SnapStartNotReadyException",
        "409: the version's snapshot is being made.",
        "A version with SnapStart is Pending while its Init runs, once, in what others are forked from.",
        "Wait for `State` Active: aws lambda wait published-version-active.",
    ),
    Entry(
        "CodeArtifactUserPendingException",
        "409: an Inactive function is being made ready.",
        "Nobody has called this container image for weeks (the setting `image_idle_days`), so its "
        "files were removed; this call has made the function Pending, and its image is fetched again.",
        "Call again when `State` is Active: aws lambda wait function-active-v2.",
    ),
    Entry(
        "SnapStartRegenerationFailureException",
        "409: the version's snapshot had to be made again, and its Init failed.",
        "After a restart, or a long rest, Init runs anew; it met what was not so when it was published.",
        "The message and the version's log say what; every call tries again.",
    ),
    Entry(
        "KMSAccessDeniedException",
        "502: KMS did not open the function's environment variables when the server started.",
        "The server may not use the key, KMS could not be reached, or no endpoint is configured; the "
        "message has KMS's own words.",
        "Mend it: the server asks again every ten seconds. Or give the variables anew.",
    ),
    Entry(
        "KMSDisabledException",
        "502: the key of the function's environment variables is disabled.",
        "Somebody has disabled it in KMS.",
        "Enable it: the server asks again every ten seconds.",
    ),
    Entry(
        "KMSInvalidStateException",
        "502: the key of the function's environment variables cannot be used now.",
        "In KMS its state is not Enabled; it may wait for its deletion.",
        "Cancel the deletion, or give the variables anew under another key.",
    ),
    Entry(
        "KMSNotFoundException",
        "502: the key of the function's environment variables is not there.",
        "It was deleted in KMS, or the server asks another KMS than before.",
        "Give the variables anew under another key.",
    ),
    Entry(
        "SerializationException",
        "400: the body cannot be read.",
        "It is not JSON, or a value has the wrong type.",
        "Compare the request with the operation's shape in the AWS documentation.",
    ),
    Entry(
        "InvalidParameterValueException",
        "400: a value is well-formed but not possible.",
        "For example a role that is none, memory out of range, a zip that cannot be unpacked.",
        "The message says which value and why.",
    ),
    Entry(
        "PublicPolicyException",
        "400: the policy would let anybody use the function.",
        "PutResourcePolicy got an Allow for everybody without a condition that says who is meant.",
        "Name accounts, services or an organization, or add a condition such as `aws:SourceArn`.",
    ),
    Entry(
        "PolicyLengthExceededException",
        "400: a resource-based policy is too long.",
        "It may have 20,480 characters.",
        "Remove statements that are not used; grant to an organization instead of many accounts.",
    ),
    Entry(
        "ResourceInUseException",
        "400: the event source mapping is just being created, changed or deleted.",
        "A change takes a moment to complete.",
        "Wait until its State is Enabled or Disabled.",
    ),
    Entry(
        "CodeVerificationFailedException",
        "400: new code has no signature that the function's code signing config accepts.",
        "The config says Enforce, and the package or a layer is unsigned, signed by nobody that is "
        "allowed, or its signature has ended or was revoked; `code_signing.untrusted` in the "
        "server's log says which.",
        "`lambent sign zip FILE PROFILE` with an allowed profile version, whose certificate stands "
        "in the server's `signing_dir`.",
    ),
    Entry(
        "InvalidCodeSignatureException",
        "400: a package is not what was signed.",
        "It was changed after it was signed, or its signature was not made by the key of the "
        "profile version that it names.",
        "Sign it again: `lambent sign zip FILE PROFILE`. `lambent sign show FILE` judges it here.",
    ),
    Entry(
        "CodeSigningConfigNotFoundException",
        "404: the code signing config does not exist.",
        "It was deleted, or belongs to another account or region.",
        "`aws lambda list-code-signing-configs` shows those there are.",
    ),
    Entry(
        "InvalidRequestContentException",
        "400: the payload of an invoke is not JSON.",
        "Events are JSON documents.",
        "With the AWS CLI: `--cli-binary-format raw-in-base64-out`.",
    ),
    Entry(
        "RecursiveInvocationException",
        "400: a chain of invokes has come to the same function more than 16 times.",
        "A function invokes itself, or a queue or topic that it writes to invokes it again; the "
        "`Lineage` of X-Amzn-Trace-Id counts. An asynchronous event is dropped instead.",
        "Break the loop, or allow it: `aws lambda put-function-recursion-config --recursive-loop "
        "Allow`.",
    ),
    Entry(
        "CodeStorageExceededException",
        "400: the code of all functions passes the account's limit.",
        "75 GB are taken, as on AWS.",
        "Delete versions and functions that are not used.",
    ),
    Entry(
        "ValidationError",
        "400: CloudFormation cannot do that with this template or stack.",
        "The template is malformed, a parameter is missing, or the stack is in another state.",
        "The message says which; `aws cloudformation describe-stack-events` shows how it came.",
    ),
    Entry(
        "AlreadyExistsException",
        "400: there is a stack of that name.",
        "It was created before and not deleted.",
        "Update it, or delete it first.",
    ),
    Entry(
        "ChangeSetNotFound",
        "404: the stack has no such change set.",
        "It was deleted, or executed: its stack forgets it then.",
        "`aws cloudformation list-change-sets --stack-name NAME` lists those there are.",
    ),
    Entry(
        "InvalidChangeSetStatus",
        "400: the change set cannot be executed.",
        "It holds no changes, failed, or has been executed.",
        "Create another one.",
    ),
    Entry(
        "InsufficientCapabilitiesException",
        "400: the template does something that must be asked for.",
        "It makes IAM roles or policies, or has a transform.",
        "`--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND`; with named roles "
        "CAPABILITY_NAMED_IAM.",
    ),
    Entry(
        "InvalidParameterException",
        "400: CloudWatch Logs does not take a parameter.",
        "The message names it.",
        "Send what the message asks for.",
    ),
    Entry(
        "ResourceAlreadyExistsException",
        "400: the log group or stream is already there.",
        "It was created before.",
        "Use it as it is.",
    ),
    Entry(
        "TooManyTagsException",
        "400: more tags than a resource takes.",
        "AWS takes 50.",
        "Remove some.",
    ),
    Entry(
        "IncompleteSignatureException",
        "400: the signature lacks a part.",
        "The `Authorization` header or the presigned query is not complete.",
        "Let an AWS SDK sign; the message names what is missing.",
    ),
    Entry(
        "MissingAuthenticationTokenException",
        "403: the request is not signed.",
        'This server runs with `auth = "sigv4"`.',
        "Sign with a key from its `auth_keys`.",
    ),
    Entry(
        "UnrecognizedClientException",
        "403: the access key is not known.",
        "It is neither in `auth_keys` nor in `iam_file`, or its session token is not of this server.",
        "Use one that is, or add it.",
    ),
    Entry(
        "ExpiredTokenException",
        "403: the session's credentials have ended.",
        "Functions get credentials for an hour; these are older, kept somewhere beyond that.",
        "Take them from the environment, or from AWS's SDK, when they are needed.",
    ),
    Entry(
        "InvalidSignatureException",
        "403: the signature does not match, or is too old.",
        "A wrong secret, a clock that is more than five minutes off, a proxy that changes headers, "
        "or a credential scope of another service.",
        "Compare the secret; set the clock.",
    ),
    Entry(
        "AccessDeniedException",
        "403: the call is refused.",
        "A web page of another origin called the server, or the resource belongs to another account.",
        "Call it from a program, with credentials of the right account.",
    ),
    Entry(
        "UnknownOperationException",
        "404: no operation has this method and path.",
        "A typing error, or a client of another service.",
        "[The API](api.md) lists the paths.",
    ),
    Entry(
        "ProvisionedConcurrencyConfigNotFoundException",
        "404: this version or alias has no provisioned concurrency.",
        "None was put, or it was put on the alias and asked of the version, or the reverse.",
        "`aws lambda list-provisioned-concurrency-configs` shows where it is.",
    ),
    Entry(
        "CapacityProviderLimitExceededException",
        "400: the account has as many capacity providers as it may.",
        "1,000 were made.",
        "Delete those that no function uses.",
    ),
    Entry(
        "NoPublishedVersionException",
        "400: a function on a capacity provider has nothing that could run.",
        "There only published versions are invoked, and none was published.",
        "`aws lambda publish-version --publish-to LATEST_PUBLISHED`.",
    ),
    Entry(
        "ResourceNotFoundException",
        "404: there is no such function, version, alias or log group.",
        "It was not deployed, or to another account or region: an access key of twelve digits is "
        "taken as the account, and the credential scope has the region.",
        "`lambent deploy`; check the name, `--region` and `--endpoint-url`.",
    ),
    Entry(
        "ResourceConflictException",
        "409: it exists already, or an update is under way.",
        "Two changes met; or `create` was used where `update` was meant.",
        "Wait until `LastUpdateStatus` is `Successful` (boto3's waiter `function_updated_v2`).",
    ),
    Entry(
        "PreconditionFailedException",
        "412: the `RevisionId` is not the latest one.",
        "Somebody else changed it in between.",
        "Read it again, then change it.",
    ),
    Entry(
        "RequestEntityTooLargeException",
        "413: the whole request is too large.",
        "It passes 70,167,211 bytes.",
        "Send the package through S3.",
    ),
    Entry(
        "RequestTooLargeException",
        "413: the payload of an invoke is too large.",
        "6 MB for a synchronous call, 1 MB for an event.",
        "Send a reference to the data instead of the data.",
    ),
    Entry(
        "TooManyRequestsException",
        "429: the call is throttled.",
        "`Reason` says whether the account's concurrency, the function's reservation or the rate of "
        "new environments is used up; or the memory for environments is.",
        "Try again after `Retry-After`; raise `concurrency_limit`, the reservation or "
        "`memory_limit_mb`.",
    ),
    Entry(
        "EFSMountFailureException",
        "403: a file system of the function cannot be shown to it.",
        "FileSystemConfigs are folders below `file_systems_dir` here, which is not set or not "
        "accessible.",
        "Set `file_systems_dir`; the message names the folder.",
    ),
    Entry(
        "InvalidRuntimeException",
        "502: this machine has no interpreter for the runtime, or another processor.",
        "The function can be created, as on AWS, but not run.",
        "Install what the message names, for example with `uv python install 3.13`; or give the "
        "code with the Architectures that the message names.",
    ),
    Entry(
        "ServiceException",
        "500: the platform failed.",
        "The host could not do something; the message begins with a code of "
        "[the server's](#the-server-and-its-sandboxes) where there is one.",
        "The server's log has the reason; calling again is safe.",
    ),
    Entry(
        "NotImplementedException",
        "501: an operation of AWS's model that this version does not serve.",
        "[The API](api.md) lists what is served.",
        "Do without it, or use AWS for it.",
    ),
)
