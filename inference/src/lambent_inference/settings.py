"""Every variable that the server reads, under the name that users of the public API know.

A field is its variable in lower case, its docstring the row of docs/inference-settings.md. Nothing
else reads the environment for a setting. Unlike the original, the defaults are those of a server
that strangers may reach: the nine switches are off, with their stated errors (`security.py`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct, field

Names = tuple[str, ...]
SECRET: Final = frozenset(
    {"roboflow_api_key", "redis_password", "roboflow_service_secret", "model_registry_token"}
)
"""Never shown, never logged."""
ALIASES: Final = {"roboflow_api_key": ("ROBOFLOW_API_KEY", "API_KEY")}


class InvalidSetting(ValueError):  # noqa: N818  a condition, as in errors.py
    """A variable whose value cannot be honoured; the server does not start with it."""


def _cache_dir() -> Path:
    return Path(tempfile.gettempdir()) / "cache"


class Settings(Struct, frozen=True, kw_only=True):
    """Times end in `_s` and sizes in `_mb` where the name is ours; the others keep theirs."""

    # ── what a request may reach ──
    allow_numpy_input: bool = False
    """Images of type `numpy`: raw arrays, never pickles."""
    allow_url_input: bool = True
    """Images by URL at all."""
    allow_non_https_url_input: bool = False
    """Images over plain http."""
    allow_url_input_without_fqdn: bool = False
    """Images from addresses and from names without a domain."""
    allow_url_to_non_global_addresses: bool = False
    """Images from private, loopback, link-local and other addresses that are not public."""
    whitelisted_destinations_for_url_input: Names = ()
    """If set, the only hosts that images may come from, comma-separated."""
    blacklisted_destinations_for_url_input: Names = ()
    """Hosts that images may not come from, comma-separated."""
    validate_image_url_redirects: bool = True
    """Every redirect is checked like the first URL; this cannot be switched off here."""
    max_image_url_redirects: int = 5
    """How many redirects are followed."""
    allow_loading_images_from_local_filesystem: bool = False
    """Images of type `file`: paths on the server."""
    allow_custom_python_execution_in_workflows: bool = False
    """Python code inside a workflow's definition."""
    allow_workflow_blocks_accessing_local_storage: bool = False
    """Workflow steps that write files."""
    allow_workflow_blocks_accessing_environmental_variables: bool = False
    """Workflow steps that read the server's environment."""
    use_file_cache_for_workflows_definitions: bool = False
    """Whether a stored definition answers while the platform cannot be reached."""
    model_validation_disabled: bool = False
    """Skips the trial prediction and the class count check when a model is loaded."""
    s3_input_destinations: Names = ()
    """`s3://bucket/prefix`, comma-separated: where images of type `s3` may be; unset means wherever the
    function's role may read."""
    max_request_mb: int = 64
    """Largest request of a long-running server; a function gets 6 MB at most."""
    request_timeout_s: float = 60.0
    """What a client of a long-running server may take to send its request."""
    max_image_mb: int = 20
    """Largest encoded image that is read, from wherever it comes."""
    max_image_megapixels: int = 100
    """Largest decoded image: a small file can claim to be a huge picture."""
    max_images_per_request: int = 64
    """Images in one request."""
    image_timeout_s: float = 10.0
    """What fetching one image may take, redirects included."""

    # ── which routes there are ──
    core_models_enabled: bool = True
    """Everything that the variables `CORE_MODEL_…` name."""
    core_model_clip_enabled: bool = True
    """`/clip/…`."""
    core_model_doctr_enabled: bool = True
    """`/doctr/ocr`."""
    core_model_easyocr_enabled: bool = True
    """`/easy_ocr/ocr`."""
    core_model_yolo_world_enabled: bool = True
    """`/yolo_world/infer`."""
    core_model_groundingdino_enabled: bool = True
    """`/grounding_dino/infer`."""
    core_model_trocr_enabled: bool = False
    """`/ocr/trocr`; this server has no such model."""
    core_model_pe_enabled: bool = False
    """`/perception_encoder/…`; this server has no such model."""
    core_model_sam_enabled: bool = False
    """`/sam/…`; this server has no such model."""
    core_model_sam2_enabled: bool = False
    """`/sam2/…`; this server has no such model."""
    core_model_gaze_enabled: bool = False
    """`/gaze/…`; this server has no such model."""
    depth_estimation_enabled: bool = False
    """`/infer/depth-estimation`; this server has no such model."""
    lmm_enabled: bool = False
    """`/infer/lmm`; this server has no such model."""
    get_model_registry_enabled: bool = True
    """`GET /model/registry`."""
    legacy_route_enabled: bool = True
    """`/{dataset}/{version}`."""
    disable_workflow_endpoints: bool = False
    """Switches the workflow routes off."""
    tabular_enabled: bool = True
    """`/infer/tabular`."""
    embeddings_enabled: bool = True
    """`/infer/embeddings`."""
    invocations_enabled: bool = True
    """`/invocations` and `/ping`, the contract of SageMaker and MLflow."""
    kserve_enabled: bool = True
    """`/v2/…`, the contract of KServe."""
    allow_origins: Names = ("*",)
    """Origins that browsers may call from, comma-separated; empty switches CORS off."""

    # ── models ──
    model_cache_dir: Path = field(default_factory=_cache_dir)
    """Where packages are kept once fetched; on Lambda only below `/tmp`."""
    model_cache_size_mb: int = 0
    """Past this size the least recently used packages are deleted; 0 means no limit."""
    model_registry: Names = ()
    """Where packages come from, by URI, first match wins: `file://`, `s3://`, `https://`."""
    model_registry_token: str | None = None
    """Sent to `https://` registries as a bearer token."""
    max_active_models: int = 8
    """Models loaded at once; past it the least recently used one is unloaded."""
    model_memory_mb: int = 0
    """What loaded models may take together; 0 means what the function has."""
    model_wait_s: float = 60.0
    """How long a request waits for a model that another one loads, or for room; past it it is answered
    503 with `Retry-After`, and may come again."""
    preload_models: Names = ()
    """Models loaded before the first request, within the time of Init."""
    preload_budget_s: float = 8.0
    """Init ends after 10 s on Lambda: past this, models are loaded when asked for. Before a snapshot,
    with provisioned concurrency and in a long-running server there is more time."""
    pinned_models: Names = ()
    """Models that are preloaded and never unloaded to make room."""
    model_aliases: Names = ()
    """Further names of models, as `name=project/version`, comma-separated."""
    disk_cache_cleanup: bool = True
    """Whether unloading a model also deletes its cached package (never the owner's files)."""
    allow_pickled_models: bool = False
    """Models in joblib's format, which run code when loaded."""
    max_batch_size: int = 8
    """Requests that are put together at most; a package may set less."""
    max_batch_delay_ms: float = 4.0
    """How long a request may wait for company; 0 switches batching off."""
    onnx_threads: int = 0
    """Threads of one model; 0 means one per core that the function has."""
    roboflow_api_key: str | None = None
    """Key for the platform when a request brings none; `API_KEY` is another name of it."""
    roboflow_service_secret: str | None = None
    """Who knows it may ask not to be counted (`countinference=false`); unset means nobody."""
    api_base_url: str = "https://api.roboflow.com"
    """The platform's API."""
    redis_host: str | None = None
    """Shares registry metadata between environments; losing it costs speed only."""
    redis_port: int = 6379
    """Its port."""
    redis_ssl: bool = False
    """Whether it is spoken to over TLS."""
    redis_password: str | None = None
    """Its password."""
    doctr_multiprocessing_disable: bool = True
    """Read by that library, not by us; here so that a known configuration starts."""

    # ── workflows ──
    workflows_step_execution_mode: Literal["local", "remote"] = "local"
    """Where model steps run."""
    workflows_remote_api_target: Literal["hosted", "self-hosted"] = "hosted"
    """Whom remote steps call."""
    workflows_remote_execution_max_step_batch_size: int = 1
    """Images per remote call."""
    workflows_remote_execution_max_step_concurrent_requests: int = 8
    """Remote calls of one step at once."""
    workflows_remote_api_key_transport: Literal["both", "header", "query"] = "both"
    """How the key travels to the remote."""
    workflows_max_concurrent_steps: int = 8
    """Steps that run at once."""
    workflows_definition_cache_expiry: int = 900
    """Seconds for which a definition from the platform is kept in memory."""
    local_inference_api_url: str = "http://127.0.0.1:9001"
    """The self-hosted remote."""
    hosted_detect_url: str = "https://detect.roboflow.com"
    """The hosted remote for detection and keypoints."""
    hosted_instance_segmentation_url: str = "https://outline.roboflow.com"
    """The hosted remote for instance segmentation."""
    hosted_classification_url: str = "https://classify.roboflow.com"
    """The hosted remote for classification."""
    hosted_core_model_url: str = "https://infer.roboflow.com"
    """The hosted remote for CLIP, OCR and the like."""

    # ── the server itself ──
    lambda_: bool = False
    """`LAMBDA`: set by the original's images; every route is there with and without it."""
    api_gateway_base_path: str = ""
    """A prefix to strip from paths; a stage's name is found without it."""
    inference_server_id: str | None = None
    """The `uuid` in `/info`; random if unset."""
    api_logging_enabled: bool = False
    """One JSON line per request, with its id."""
    disable_version_check: bool = True
    """The server never looks for a newer version of itself; here so that a known configuration starts."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    """Of the server's own log, which goes to standard error."""
    prediction_log: bool = True
    """One line per prediction in CloudWatch's embedded metric format, on standard output."""
    metrics_namespace: str = "Lambent/Inference"
    """Namespace of those metrics."""
    capture_destination: str | None = None
    """Folder or `s3://bucket/prefix` for sampled inputs and outputs; unset means no capture."""
    capture_rate: float = 0.0
    """Share of predictions that is captured, 0…1."""
    results_destination: str | None = None
    """`s3://bucket/prefix` or an SQS queue's URL for what S3, SQS and EventBridge events ask for."""
    events_model_id: str | None = None
    """Model that answers such events, unless they name one."""
    max_answer_mb: float = 5.5
    """Past this size images in an answer are replaced by links; Lambda itself stops at 6 MB."""
    answer_bucket: str | None = None
    """`s3://bucket/prefix` for those images; unset means 413."""
    answer_link_s: int = 3600
    """How long such a link is good for."""


_TRUE: Final = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE: Final = frozenset({"false", "0", "no", "off", "f", "n", ""})


def variable(name: str) -> str:
    """The variable of a field."""
    return name.rstrip("_").upper()


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment; raises InvalidSetting."""
    hints = get_type_hints(Settings)
    given: dict[str, Any] = {}
    for one in Settings.__struct_fields__:
        for name in ALIASES.get(one, (variable(one),)):
            if (raw := environ.get(name)) is not None:
                given[one] = _parse(name, raw, hints[one])
                break
    return Settings(**given)


def _parse(name: str, raw: str, kind: Any) -> Any:
    text = raw.strip()
    options = get_args(kind)
    if get_origin(kind) is Literal:
        return _one_of(name, text, options)
    if type(None) in options:
        return text or None
    try:
        return _PARSERS[kind](text)
    except ValueError:
        raise InvalidSetting(f"{name}={raw!r} is not {_WORDS[kind]}") from None


def _one_of(name: str, text: str, options: tuple[str, ...]) -> str:
    for option in options:
        if text.lower() == option.lower():
            return option
    raise InvalidSetting(f"{name}={text!r} is none of {', '.join(options)}")


def _flag(text: str) -> bool:
    lower = text.lower()
    if lower not in _TRUE | _FALSE:
        raise ValueError(text)
    return lower in _TRUE


def _names(text: str) -> Names:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_PARSERS: Final[dict[Any, Callable[[str], Any]]] = {
    bool: _flag, int: int, float: float, str: str, Path: Path, Names: _names,
}  # fmt: skip
_WORDS: Final[dict[Any, str]] = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path",
    Names: "a list",
}  # fmt: skip
