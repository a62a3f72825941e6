"""The project in the current folder, as far as verbs about a server need it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambent import settings


def settings_file(folder: Path | None = None) -> settings.ProjectFile | None:
    """`Metadata: lambent: settings` of the template in `folder`, or None where there is none."""
    from lambent.delivery import template

    path = template.find(folder or Path())
    if path is None:
        return None
    return settings.ProjectFile(str(path.resolve()), template.project_settings(path))


def as_environment(loaded: settings.Loaded, kinds: tuple[str, ...]) -> dict[str, str]:
    """`LAMBENT_*` for the settings that came from sources which the server itself does not read."""
    return {
        f"LAMBENT_{name.upper()}": _text(getattr(loaded.settings, name))
        for name, origin in loaded.origins.items()
        if origin.kind in kinds
    }


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (Mapping, tuple, list, bool)) else str(value)
