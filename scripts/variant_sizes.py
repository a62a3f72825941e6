"""`python scripts/variant_sizes.py`: weighs the inference server's variants and writes it down.

A test holds each to its budget and names what grew against these sizes; docs/variants.md shows them.
"""

from __future__ import annotations

import json
from pathlib import Path

from lambent.delivery import platforms, variant_sizes, variants

RECORD = Path(__file__).parents[1] / "benchmarks/variant_sizes.json"
RUNTIME = "python3.13"


def main() -> None:
    platform = platforms.of(RUNTIME, "x86_64")
    assert platform is not None
    found = {
        name: variant_sizes.measure(one, platform).megabytes()
        for name, one in variants.VARIANTS.items()
    }
    RECORD.write_text(json.dumps(found, indent=2) + "\n")
    for name, sizes in found.items():
        print(f"{name}: {sum(sizes.values()):.1f} MB")


if __name__ == "__main__":
    main()
