"""A bounded memory of requests, seen by their own account and region only."""

from lambent.observe.timelines import Timeline, Timelines

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def timeline(request_id: str, arn: str = ARN) -> Timeline:
    return Timeline(request_id, arn, "1", "s", 5, 10.0, 10.25, 10.5, 11.0, 11.0, 11.5, 11.75, True)


def test_found_by_how_the_id_begins_and_in_its_own_scope() -> None:
    kept = Timelines()
    kept.add(timeline("aaaaaaaa-1"))
    kept.add(timeline("aaaaaaaa-2"))
    found = kept.find("123456789012", "us-east-1", "aaaaaaaa")
    assert found is not None
    assert found.request_id == "aaaaaaaa-2"
    assert kept.find("123456789012", "eu-west-1", "aaaaaaaa") is None
    assert kept.find("210987654321", "us-east-1", "aaaaaaaa") is None
    assert kept.find("123456789012", "us-east-1", "bbbbbbbb") is None


def test_the_oldest_is_forgotten() -> None:
    kept = Timelines(kept=2)
    for n in range(3):
        kept.add(timeline(f"aaaaaaaa-{n}"))
    assert kept.find("123456789012", "us-east-1", "aaaaaaaa-0") is None
    assert kept.find("123456789012", "us-east-1", "aaaaaaaa-1") is not None


def test_offsets_count_from_admission() -> None:
    assert timeline("x").offsets_ms() == {
        "made": 250.0, "init_started": 500.0, "ready": 1000.0, "delivered": 1000.0,
        "answered": 1500.0, "handed_on": 1750.0, "cold": True,
    }  # fmt: skip
