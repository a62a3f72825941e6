"""What a template says of snapshots becomes tags; what could not be run is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambent.delivery import template
from lambent.delivery.problem import Problem

TEMPLATE = """
Resources:
  Predict:
    Type: AWS::Serverless::Function
    Metadata:
      lambent: {METADATA}
    Properties: {Runtime: python3.13, Handler: app.handler, CodeUri: src, Tags: {team: ml}}
"""


def _tags(folder: Path, metadata: str) -> dict[str, str]:
    (folder / "src/events").mkdir(parents=True, exist_ok=True)
    (folder / "src/events/one.json").write_text('{"a": 1}')
    (folder / "src/events/broken.json").write_text("{")
    (folder / "outside.json").write_text("{}")
    path = folder / "template.yaml"
    path.write_text(TEMPLATE.replace("{METADATA}", metadata))
    (plan,) = template.read(path).functions
    return dict(plan.tags)


def test_they_are_tags(tmp_path: Path) -> None:
    assert _tags(tmp_path, "{snapshots: all, sample_event: events/one.json}") == {
        "team": "ml",
        "lambent:snapshots": "all",
        "lambent:sample-event": "events/one.json",
    }
    assert _tags(tmp_path, "{bytecode: true}") == {"team": "ml"}


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ("{snapshots: some}", "snapshots"),
        ("{sample_event: events/none.json}", "is not a JSON file"),
        ("{sample_event: events/broken.json}", "is not a JSON file"),
        ("{sample_event: ../outside.json}", "sample_event of Predict is"),
        ("{sample_event: /etc/passwd}", "sample_event of Predict is"),
        ('{sample_event: "ä.json"}', "sample_event of Predict is"),
    ],
)
def test_what_could_not_be_run_is_refused(tmp_path: Path, metadata: str, says: str) -> None:
    with pytest.raises(Problem, match=says) as caught:
        _tags(tmp_path, metadata)
    assert caught.value.code == "TEMPLATE_INVALID"
