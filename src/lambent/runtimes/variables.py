"""The environment of a runtime process, variable for variable as on Lambda.

AWS Lambda developer guide, "Defined runtime environment variables"; LAMBDA.md 84. A function's own
variables come first; reserved ones overrule them, the rest of ours are only defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lambent.control.targets import VersionTarget

RESERVED: Final = frozenset({
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL",
    "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
})  # fmt: skip
"""What AWS refuses to let a function set."""

THREAD_POOLS: Final = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM",
)  # fmt: skip
_DAEMON: Final = "169.254.79.129:2000"
"""AWS's, where nobody listens here."""
MB_OF_TWO_VCPUS: Final = 2 * 1769


@dataclass(frozen=True, slots=True)
class Facts:
    """What differs from one environment of a version to the next."""

    log_stream: str
    runtime_api: str = "127.0.0.1:9001"
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    log_fd: int = 4
    """The descriptor of framed log records (`_LAMBDA_TELEMETRY_LOG_FD`)."""
    initialization_type: str = "on-demand"
    credentials_url: str = ""
    """Where SDKs fetch credentials, and with which token, instead of finding them here."""
    credentials_token: str = ""
    endpoint_url: str | None = None
    lambda_url: str = ""
    """Where this server's own API is, as the environment sees it."""
    """Where functions find AWS services, if not at AWS."""
    xray_daemon: str = ""
    """Address and port that take segments, where the function is traced."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand as the function sees them."""

    task: str = "/var/task"
    runtime: str = "/var/runtime"
    lang: str = "/var/lang"
    opt: tuple[str, ...] = ("/opt",)
    """One folder in a sandbox; the layers themselves, last first, where nothing can be mounted."""


def environment(target: VersionTarget, facts: Facts, places: Places) -> dict[str, str]:
    """Everything a runtime process finds in its environment."""
    variables = {
        **_defaults(places),
        **_module_paths(target, places),
        **_thread_pools(target),
        **target.environment,
    }
    library = f"{places.lang}/lib"
    if library not in variables["LD_LIBRARY_PATH"].split(":"):
        # The interpreter must find itself even where a function sets a path of its own.
        variables["LD_LIBRARY_PATH"] += f":{library}"
    for name in RESERVED:
        variables.pop(name, None)
    variables.update(_reserved(target, facts, places))
    if facts.xray_daemon:
        variables |= _daemon(facts.xray_daemon)
    return variables


def _daemon(address: str) -> dict[str, str]:
    """Where the X-Ray SDK of every language looks for its daemon."""
    host, _, port = address.partition(":")
    return {
        "AWS_XRAY_DAEMON_ADDRESS": address,
        "_AWS_XRAY_DAEMON_ADDRESS": host,
        "_AWS_XRAY_DAEMON_PORT": port,
    }


def image_environment(
    target: VersionTarget, facts: Facts, own: Mapping[str, str]
) -> dict[str, str]:
    """The same for a container image, whose own variables are the defaults."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = {
        "PATH": path,
        "TZ": ":UTC",
        **own,
        **_thread_pools(target),
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        **target.environment,
    }
    for name in RESERVED:
        variables.pop(name, None)
    variables.update(_reserved(target, facts, Places()))
    variables |= _daemon(facts.xray_daemon or _DAEMON)
    del variables["_HANDLER"]  # an image's handler is an argument of its program
    return variables


def _defaults(places: Places) -> dict[str, str]:
    lang, task, runtime, opt = places.lang, places.task, places.runtime, places.opt
    libraries = [f"{lang}/lib", "/lib64", "/usr/lib64", runtime, f"{runtime}/lib", task]
    libraries += [f"{task}/lib", *(f"{each}/lib" for each in opt)]
    binaries = [f"{lang}/bin", "/usr/local/bin", "/usr/bin/", "/bin"]
    binaries += [f"{each}/bin" for each in opt]
    return {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": ":".join(binaries),
        "LD_LIBRARY_PATH": ":".join(libraries),
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        **_daemon(_DAEMON),
    }


def _module_paths(target: VersionTarget, places: Places) -> dict[str, str]:
    """Where the runtime's language looks for modules beside the function's own folder."""
    name, opt = target.runtime or "", places.opt
    if name.startswith("nodejs"):
        major = name.removeprefix("nodejs").removesuffix(".x")
        folders = [f"{each}/nodejs/node{major}/node_modules" for each in opt]
        folders += [f"{each}/nodejs/node_modules" for each in opt]
        folders += [f"{places.runtime}/node_modules", places.runtime, places.task]
        return {"NODE_PATH": ":".join(folders)}
    if name.startswith("ruby"):
        version = f"{name.removeprefix('ruby')}.0"
        gems = [f"{places.task}/vendor/bundle/ruby/{version}"]
        gems += [f"{each}/ruby/gems/{version}" for each in opt]
        library = [places.task, places.runtime, *(f"{each}/ruby/lib" for each in opt)]
        return {"GEM_PATH": ":".join(gems), "RUBYLIB": ":".join(library)}
    return {"PYTHONPATH": places.runtime}


def _thread_pools(target: VersionTarget) -> dict[str, str]:
    """Below two vCPUs a pool of the machine's size only contends, and does not survive a fork."""
    if target.memory_mb >= MB_OF_TWO_VCPUS:
        return {}
    pools = dict.fromkeys(THREAD_POOLS, "1")
    pools["TOKENIZERS_PARALLELISM"] = "false"
    return pools


def _reserved(target: VersionTarget, facts: Facts, places: Places) -> dict[str, str]:
    variables = {
        "AWS_LAMBDA_FUNCTION_NAME": target.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": target.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(target.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": target.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": facts.log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": facts.initialization_type,
        "AWS_LAMBDA_RUNTIME_API": facts.runtime_api or "127.0.0.1:9001",
        "AWS_REGION": target.region,
        "AWS_DEFAULT_REGION": target.region,
        "LAMBDA_TASK_ROOT": places.task,
        "LAMBDA_RUNTIME_DIR": places.runtime,
        "_HANDLER": target.handler or "",
        "_LAMBDA_TELEMETRY_LOG_FD": str(facts.log_fd),
        **_log_settings(target),
        **_credentials(facts),
    }
    if target.runtime is not None and not target.runtime.startswith("provided"):
        # OS-only runtimes and images name themselves, or nothing.
        variables["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{target.runtime}"
    if target.max_concurrency:
        variables["AWS_LAMBDA_MAX_CONCURRENCY"] = str(target.max_concurrency)
        variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = "lambda-managed-instances"
    if facts.endpoint_url and "AWS_ENDPOINT_URL" not in target.environment:
        variables["AWS_ENDPOINT_URL"] = facts.endpoint_url
    if facts.lambda_url and "AWS_ENDPOINT_URL_LAMBDA" not in target.environment:
        variables["AWS_ENDPOINT_URL_LAMBDA"] = facts.lambda_url
    return variables


def _log_settings(target: VersionTarget) -> Mapping[str, str]:
    if target.log_format != "JSON":
        return {}
    level = target.application_log_level or "INFO"
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": level}


def _credentials(facts: Facts) -> Mapping[str, str]:
    if facts.credentials_url:
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": facts.credentials_url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": facts.credentials_token,
        }
    if not facts.access_key_id:
        return {}
    return {
        "AWS_ACCESS_KEY_ID": facts.access_key_id,
        "AWS_SECRET_ACCESS_KEY": facts.secret_access_key,
        "AWS_SESSION_TOKEN": facts.session_token,
    }
