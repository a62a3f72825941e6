"""Slow: scikit-learn is installed and trained with."""

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def diagnosis(trained):
    return trained("diagnosis")


def test_held_out_rows_are_real_and_answered_as_in_training(diagnosis, answers) -> None:
    held_out = json.loads((diagnosis / "held_out.json").read_text())
    metrics = json.loads((diagnosis / "model.json").read_text())["metrics"]
    rows, labels = held_out["rows"], held_out["labels"]
    assert len(rows) == len(labels) == 143
    assert metrics["accuracy"] > 0.9
    batch, *single = answers(diagnosis, [{"rows": rows}, *rows[:5]])
    assert batch["predictions"] == held_out["predictions"]
    right = sum(p == y for p, y in zip(batch["predictions"], labels, strict=True))
    assert round(right / len(rows), 4) == metrics["accuracy"]
    assert [answer["prediction"] for answer in single] == batch["predictions"][:5]
    assert [answer["probability"] for answer in single] == batch["probabilities"][:5]


def test_errors_name_features_and_rows(diagnosis, answers) -> None:
    row = json.loads((diagnosis / "event.json").read_text())
    short = {k: v for k, v in row.items() if k != "mean_area"}
    missing, wrong, empty, no_list, no_object, warm = answers(
        diagnosis,
        [
            {"rows": [row, short]},
            row | {"mean_area": "large"},
            {"rows": []},
            {"rows": {}},
            "text",
            {"_warmup": 1},
        ],
    )
    assert json.loads(missing["body"]) == {
        "error": "missing features in row 1",
        "features": ["mean_area"],
    }
    assert json.loads(wrong["body"])["features"] == ["mean_area"]
    assert all(
        answer["statusCode"] == 400 for answer in (missing, wrong, empty, no_list, no_object)
    )
    assert warm["warm"] is True
