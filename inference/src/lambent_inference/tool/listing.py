"""`ls` and `show`: what a registry has."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent_inference.models import index
from lambent_inference.tool.places import place


def listed(registry: str) -> dict[str, Any]:
    known = place(registry).index()
    models = []
    for name, model in sorted(known.models.items()):
        for version in sorted(model.versions, key=index.natural):
            names = [alias for alias, to in model.aliases.items() if to == version]
            names += [alias for alias, to in known.aliases.items() if to == f"{name}/{version}"]
            models.append(
                {
                    "model": f"{name}/{version}",
                    "latest": model.latest == version,
                    "aliases": sorted(names),
                    **model.versions[version],
                }
            )
    return {"registry": registry, "models": models}


def shown(registry: str, model_id: str) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(place(registry).manifest(model_id))
    return {"registry": registry, "model": f"{facts['id']}/{facts['version']}", **facts}
