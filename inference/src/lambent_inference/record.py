"""What one request did, for its headers and its line in the log: models used, models loaded."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from lambent_inference.models.contract import Description, Load

DETAILS_MAX_BYTES = 4096


@dataclass(slots=True)
class Record:
    """Lives in the ASGI scope under `lambent`."""

    request_id: str
    models: dict[str, Description] = field(default_factory=dict)
    loads: list[Load] = field(default_factory=list)

    def add(self, model: Description, *loads: Load) -> None:
        self.models[model.model_id] = model
        self.loads.extend(loads)

    def headers(self) -> list[tuple[str, str]]:
        """The cold-start headers that the public client reads, and the model's version."""
        pairs = [("X-Model-Cold-Start", "true" if self.loads else "false")]
        if self.loads:
            pairs.append(("X-Model-Cold-Start-Count", str(len(self.loads))))
            pairs.append(("X-Model-Load-Time", f"{sum(one.seconds for one in self.loads):.6f}"))
            details = [{"m": one.model_id, "t": round(one.seconds, 6)} for one in self.loads]
            if len(text := msgspec.json.encode(details)) <= DETAILS_MAX_BYTES:
                pairs.append(("X-Model-Load-Details", text.decode()))
        if self.models:
            pairs.append(("X-Model-Id", ",".join(self.models)))
            pairs.append(("X-Model-Version", ",".join(m.version for m in self.models.values())))
        return [(name, value.encode("ascii", "replace").decode()) for name, value in pairs]
