"""What the owner of a server can decide, in one frozen record.

Precedence: flag > `LAMBENT_*` variable > project file (`Metadata: lambent: settings`, which the
command line reads) > user file (`$XDG_CONFIG_HOME/lambent/config.toml`) > default. `load` takes all
of them and refuses what it cannot honour; `load_with_origins` also tells which one won. Nothing
else reads the environment for a setting.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from lambent.errors import ConfigurationError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SECRET: Final = frozenset({"auth_keys", "otlp_headers"})
"""Settings whose values are never shown."""
OF_PROJECT: Final = frozenset(
    {
        "port", "region", "concurrency_limit", "scaling_rate", "idle_s", "start_wait_s",
        "memory_limit_mb", "state_delay_s", "runtime_block_policy", "async_retry_delays_s",
        "log_max_mb", "log_level", "drain_s", "drain_notice_s",
    }
)  # fmt: skip
"""What a project file may decide. A project is often other people's files: who may call, what
isolates a function, where data and keys lie stay with the owner of the machine."""


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "lambent"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of a server, with its default. Times end in `_s`, sizes in `_mb`."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs `auth = "sigv4"`."""
    port: int = 9000
    """TCP port to listen on; 0 takes a free one."""
    data_dir: Path = msgspec.field(default_factory=_default_data_dir)
    """Where functions, their code, waiting events and logs are kept; one server at a time."""
    region: str = "us-east-1"
    """For requests without a credential scope."""
    account: str = "123456789012"
    """For requests whose access key is not an account number."""
    tls_cert: Path | None = None
    """PEM certificate chain; with `tls_key` the server speaks HTTPS."""
    tls_key: Path | None = None
    """PEM private key, unencrypted."""

    auth: Literal["any", "sigv4"] = "any"
    """`any` accepts every credential, on loopback only; `sigv4` verifies against `auth_keys`."""
    auth_keys: dict[str, str] = {}
    """Access key id → secret access key. These keys may do everything."""
    sign_once: bool = False
    """Whether a signature counts once. AWS takes one until its time is over (five minutes; a
    presigned link up to a week), so that what was recorded can be sent again."""
    iam_file: Path | None = None
    """Users, roles and their policies as JSON, YAML or TOML, read at start (see [IAM](iam.md)); with
    `auth = "sigv4"` they decide what each caller and each function may do."""
    audit: Literal["auto", "all", "management", "none"] = "auto"
    """Which API calls the audit trail records: `management` is all but invokes; `auto` is `all` with
    `auth = "sigv4"` and `management` otherwise."""

    url_style: Literal["auto", "host", "port", "path"] = "auto"
    """How FunctionUrl is written: `http://<id>.lambda-url.<region>.localhost:<port>/`, a port of
    its own per URL, or `/_url/<id>/`. `auto` takes the first where this machine resolves it, else
    the second."""
    url_base_domain: str | None = None
    """A domain whose `*.lambda-url.<region>` names reach this server through a proxy; FunctionUrl is
    then `https://<id>.lambda-url.<region>.<domain>/`."""

    jwt_keys: dict[str, str] = {}
    """Issuer → file or address of its key set (JWKS), for JWT authorizers whose issuer is not on the
    public Internet (see [Gateways](gateway.md#tokens))."""

    sandbox: Literal["auto", "namespaces", "process"] = "auto"
    """`auto` isolates where this machine can and says so where it cannot; `process` never does."""
    network: Literal["auto", "none", "nat", "host"] = "auto"
    """Egress of functions. `auto` is `nat` as root and `none` otherwise."""

    concurrency_limit: int = 1000
    """Calls of an account and region that may run at once."""
    scaling_rate: int = 1000
    """Environments that one function may start per 10 s."""
    file_systems_dir: Path | None = None
    """Folder of local file systems: FileSystemConfigs' access point `fsap-…` is its subfolder."""
    idle_s: float = 600.0
    """How long an environment may stay idle."""
    snapshots: Literal["published", "latest", "all"] = "published"
    """Which versions are restored from snapshots: `published` ones with SnapStart, as on AWS; with
    `latest` also `$LATEST` of functions with SnapStart; with `all` every function's, asked or not."""
    snapshot_idle_s: float = 3600.0
    """How long a snapshot that no environment uses is kept in memory."""
    snapshot_creations: int = 100
    """How many versions with SnapStart of an account and region may be Pending at a time."""
    snapshots_most: int = 64
    """How many snapshots are kept in memory; the longest unused is given back first."""
    freeze: bool = True
    """Whether idle environments are frozen, as on Lambda; a debugger needs them awake."""
    start_wait_s: float = 10.0
    """How long a call may wait for the host to have room for its environment; then it is throttled."""
    memory_limit_mb: int = 0
    """What all environments may use together; 0 means 80 % of the machine."""
    state_delay_s: float = 0.3
    """How long Pending and InProgress stay visible at least; 0 makes changes instant."""
    zipped_limit_mb: int = 50
    """How large a zip may be in a request. AWS takes 50 MB, and the rest through S3."""
    signing_dir: Path | None = None
    """Folder of the certificates whose signatures code signing believes, and of `revoked.txt`; None
    means where `lambent sign profile` puts them: `$XDG_CONFIG_HOME/lambent/signing`."""
    runtime_block_policy: Literal["enforce", "warn"] = "warn"
    """Whether functions with a runtime that AWS has blocked are refused, as there, or accepted."""

    image_registry: str | None = None
    """`host[:port]` of the registry that stands for `<account>.dkr.ecr.<region>.amazonaws.com`."""

    image_idle_days: float = 30.0
    """How long nobody calls a container image until its function is Inactive and its unpacked files
    are removed; the next call is refused and makes it ready again, as on AWS. 0 means never."""

    node_modules_dir: Path | None = None
    """A `node_modules` folder that Node.js functions see at /var/runtime, where AWS has its SDK v3."""

    async_retry_delays_s: tuple[float, float] = (60.0, 120.0)
    """Waits before the first and second retry of an asynchronous invoke."""
    log_max_mb: int = 64
    """Size at which a log stream's file is rotated."""
    log_total_max_mb: int = 4096
    """What all log files may take together: past it the oldest are deleted. 0 means no limit."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Of the server's own log, which goes to standard error."""

    otlp_endpoint: str | None = None
    """`http(s)://host:port` of an OpenTelemetry collector that gets the traces (OTLP over HTTP, see
    [Extensions](extensions.md#tracing)); needs `pip install 'lambent[otel]'`."""
    otlp_headers: dict[str, str] = {}
    """Headers of its requests, for a collector that wants a key."""

    drain_s: float = 30.0
    """How long SIGTERM waits for running invokes."""
    drain_notice_s: float = 0.0
    """How long after SIGTERM `/readyz` says `draining` before the server stops accepting."""

    aws_endpoint_url: str | None = None
    """Where the server finds the AWS services that functions name (S3, IAM, STS, EC2, KMS, SQS, SNS);
    None means AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, or, for S3 and IAM, this server itself;
    code in a bucket that is not here comes from AWS."""

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK


class Origin(NamedTuple):
    """Which source gave a setting its value."""

    kind: Literal["flag", "environment", "project", "user", "default"]
    where: str
    """`--port`, `LAMBENT_PORT`, the path of a file; empty for a default."""


class ProjectFile(NamedTuple):
    """What a project's template says under `Metadata: lambent: settings`."""

    where: str
    values: Mapping[str, Any]


class Loaded(NamedTuple):
    settings: Settings
    origins: Mapping[str, Origin]
    """One for every setting."""


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    project: ProjectFile | None = None,
    user_file: Path | None = None,
) -> Settings:
    """The settings that hold, from flags, `LAMBENT_*`, project file, user file and defaults.

    Raises `ConfigurationError` naming the setting, where it came from, and what it takes.
    """
    return load_with_origins(flags, environ=environ, project=project, user_file=user_file).settings


def load_with_origins(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    project: ProjectFile | None = None,
    user_file: Path | None = None,
) -> Loaded:
    """As `load`, and for each setting which source won."""
    environ = os.environ if environ is None else environ
    user_file = user_path(environ) if user_file is None else user_file
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, value in _user_table(user_file).items():
        values[name], origins[name] = value, Origin("user", str(user_file))
    for name, value in _project_table(project).items():
        assert project is not None
        values[name], origins[name] = value, Origin("project", project.where)
    for name in Settings.__struct_fields__:
        variable = f"LAMBENT_{name.upper()}"
        if variable in environ:
            values[name] = _from_text(name, environ[variable])
            origins[name] = Origin("environment", variable)
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = value
            origins[name] = Origin("flag", f"--{name.replace('_', '-')}")
    settings = _checked(values, {name: origin.where for name, origin in origins.items()})
    default = Origin("default", "")
    return Loaded(settings, {n: origins.get(n, default) for n in Settings.__struct_fields__})


def user_path(environ: Mapping[str, str]) -> Path:
    """Where the user file is looked for."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "lambent" / "config.toml"


def _user_table(user_file: Path) -> dict[str, Any]:
    if not user_file.is_file():
        return {}
    try:
        return tomllib.loads(user_file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{user_file} is not TOML: {error}", code="CONFIG_FILE_INVALID"
        ) from None


def _project_table(project: ProjectFile | None) -> Mapping[str, Any]:
    if project is None:
        return {}
    foreign = sorted(set(project.values) & set(Settings.__struct_fields__) - OF_PROJECT)
    if foreign:
        raise ConfigurationError(
            f"{project.where} may not decide '{foreign[0]}'",
            code="SETTING_NOT_OF_PROJECT",
            fix=f"decide it yourself: {foreign[0]} in {user_path(os.environ)}, "
            f"or LAMBENT_{foreign[0].upper()}",
        )
    return project.values


def _checked(values: dict[str, Any], origin: dict[str, str]) -> Settings:
    unknown = sorted(set(values) - set(Settings.__struct_fields__))
    if unknown:
        raise ConfigurationError(
            f"unknown setting '{unknown[0]}' from {origin[unknown[0]]}",
            code="SETTING_UNKNOWN",
            fix="known settings: " + ", ".join(Settings.__struct_fields__),
        )
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        name = str(error).partition("$.")[2].partition("`")[0].partition("[")[0]
        raise ConfigurationError(
            f"setting '{name}' from {origin.get(name, 'somewhere')}: {error}"
        ) from None
    _check_together(settings)
    return settings


def _path(kind: type, value: Any) -> Any:
    """Paths come as text; `~` is the owner's home."""
    if kind is not Path or not isinstance(value, (str, Path)):
        raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
    return Path(value).expanduser()


def _check_together(settings: Settings) -> None:
    """What one setting alone cannot say."""
    if not settings.loopback and settings.auth == "any":
        raise ConfigurationError(
            f"binding to {settings.host} with auth = 'any' would let anyone on the network run code",
            code="AUTH_REQUIRED",
            fix='set auth = "sigv4" with auth_keys, or keep host = "127.0.0.1"',
        )
    if settings.auth == "sigv4" and not (settings.auth_keys or settings.iam_file):
        raise ConfigurationError(
            "auth = 'sigv4' needs at least one entry in auth_keys, or iam_file",
            code="AUTH_KEYS_MISSING",
            fix='in config.toml: [auth_keys]  AKIA… = "secret"',
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigurationError(
            "tls_cert and tls_key go together", code="TLS_INCOMPLETE", fix="give both, or neither"
        )
    if settings.otlp_endpoint and not settings.otlp_endpoint.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"otlp_endpoint '{settings.otlp_endpoint}' is no http address",
            fix="http://127.0.0.1:4318 is where a collector listens by default",
        )


def _from_text(name: str, text: str) -> Any:
    """Environment variables are text: JSON where the setting is a table or a list."""
    if name in {"auth_keys", "otlp_headers", "jwt_keys", "async_retry_delays_s"}:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"LAMBENT_{name.upper()} is not JSON: {error}") from None
    return text
