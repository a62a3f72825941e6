"""What the owner of a server can decide, in one frozen record.

Precedence: flag > `LAMBENT_*` variable > user file (`$XDG_CONFIG_HOME/lambent/config.toml`) >
default. `load` reads all of them and refuses what it cannot honour; nothing else reads the
environment for a setting.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from lambent.errors import ConfigurationError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "lambent"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of a server, with its default. Times end in `_s`, sizes in `_mb`."""

    host: str = "127.0.0.1"
    port: int = 9000
    data_dir: Path = msgspec.field(default_factory=_default_data_dir)
    region: str = "us-east-1"
    """For requests without a credential scope."""
    account: str = "123456789012"
    tls_cert: Path | None = None
    tls_key: Path | None = None

    auth: Literal["any", "sigv4"] = "any"
    """`any` accepts every credential, on loopback only; `sigv4` verifies against `auth_keys`."""
    auth_keys: dict[str, str] = {}
    """Access key id → secret access key."""

    sandbox: Literal["auto", "namespaces", "process"] = "auto"
    network: Literal["auto", "none", "nat", "host"] = "auto"
    """Egress of functions. `auto` is `nat` as root and `none` otherwise."""

    concurrency_limit: int = 1000
    scaling_rate: int = 1000
    """Environments that one function may start per 10 s."""
    idle_s: float = 600.0
    """How long an environment may stay idle."""
    memory_limit_mb: int = 0
    """What all environments may use together; 0 means 80 % of the machine."""
    state_delay_s: float = 0.3
    """How long Pending and InProgress stay visible at least; 0 makes changes instant."""
    runtime_block_policy: Literal["enforce", "warn"] = "warn"

    async_retry_delays_s: tuple[float, float] = (60.0, 120.0)
    """Waits before the first and second retry of an asynchronous invoke."""
    log_max_mb: int = 64
    """Size at which a log stream's file is rotated."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Of the server's own log, which goes to standard error."""

    drain_s: float = 30.0
    """How long SIGTERM waits for running invokes."""
    drain_notice_s: float = 0.0
    """How long after SIGTERM `/readyz` says `draining` before the server stops accepting."""

    aws_endpoint_url: str | None = None
    """Where the server itself finds AWS services (S3 for code); None means AWS_ENDPOINT_URL or AWS."""

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    log_total_max_mb: int = 4096
    """What all log files may take together: past it the oldest are deleted. 0 means no limit."""
    user_file: Path | None = None,
) -> Settings:
    """The settings that hold, from flags, `LAMBENT_*`, the user file and defaults.

    Raises `ConfigurationError` naming the setting, where it came from, and what it takes.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    if user_file is None:
        base = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        user_file = Path(base) / "lambent" / "config.toml"
    if user_file.is_file():
        try:
            table = tomllib.loads(user_file.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{user_file} is not TOML: {error}") from None
        for name, value in table.items():
            values[name], origin[name] = value, str(user_file)
    for name in Settings.__struct_fields__:
        variable = f"LAMBENT_{name.upper()}"
        if variable in environ:
            values[name], origin[name] = _from_text(name, environ[variable]), variable
    for name, value in (flags or {}).items():
        if value is not None:
            values[name], origin[name] = value, f"--{name.replace('_', '-')}"

    return _checked(values, origin)


def _checked(values: dict[str, Any], origin: dict[str, str]) -> Settings:
    unknown = sorted(set(values) - set(Settings.__struct_fields__))
    if unknown:
        raise ConfigurationError(
            f"unknown setting '{unknown[0]}' from {origin[unknown[0]]}",
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
            fix='set auth = "sigv4" with auth_keys, or keep host = "127.0.0.1"',
        )
    if settings.auth == "sigv4" and not settings.auth_keys:
        raise ConfigurationError(
            "auth = 'sigv4' needs at least one entry in auth_keys",
            fix='in config.toml: [auth_keys]  AKIA… = "secret"',
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigurationError("tls_cert and tls_key go together", fix="give both, or neither")


def _from_text(name: str, text: str) -> Any:
    """Environment variables are text: JSON where the setting is a table or a list."""
    if name in {"auth_keys", "async_retry_delays_s"}:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"LAMBENT_{name.upper()} is not JSON: {error}") from None
    return text
