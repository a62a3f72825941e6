from __future__ import annotations

from datetime import UTC, date, datetime

import botocore.session
import pytest

from lambent.control import runtime_rules
from lambent.errors import InvalidParameterValue
from lambent.runtimes import catalog, interpreters
from lambent.runtimes.catalog import Catalog, Standing, standing


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("name", "day", "change", "expected"),
    [
        ("python3.9", "2025-12-14", "create", Standing.FINE),
        ("python3.9", "2025-12-15", "create", Standing.DEPRECATED),
        ("python3.9", "2026-05-31", "create", Standing.DEPRECATED),
        ("python3.9", "2026-06-01", "create", Standing.BLOCKED),
        ("python3.9", "2026-06-01", "update", Standing.DEPRECATED),
        ("python3.9", "2026-07-01", "update", Standing.BLOCKED),
        ("dotnet9", "2030-01-01", "create", Standing.DEPRECATED),
        ("nodejs24.x", "2040-01-01", "update", Standing.FINE),
        ("python3.15", "2026-11-21", "create", Standing.FINE),
        ("python2.7", "2019-01-01", "create", Standing.BLOCKED),
    ],
)
def test_standing_changes_on_its_day(name, day, change, expected):
    assert standing(name, date.fromisoformat(day), change) is expected


def test_the_owner_decides_whether_a_block_refuses():
    now = ms("2026-11-21")
    assert Catalog("enforce").is_blocked("python3.11", "create", now)
    assert not Catalog("warn").is_blocked("python3.11", "create", now)
    assert Catalog("warn").standing("python3.11", "create", now) is Standing.BLOCKED
    assert not Catalog("enforce").is_blocked("python3.13", "create", now)


def test_control_refuses_in_the_words_of_aws():
    with pytest.raises(InvalidParameterValue) as refusal:
        runtime_rules.check(Catalog("enforce"), "python3.9", "update", ms("2026-07-01"))
    assert str(refusal.value) == catalog.blocked_message("python3.9")
    assert "The runtime parameter of python3.9 is no longer supported" in str(refusal.value)


def test_every_identifier_of_the_model_is_accounted_for():
    model = botocore.session.get_session().get_service_model("lambda")
    known = set(model.shape_for("Runtime").enum)
    assert known >= catalog.GONE
    undated = known - set(catalog.BY_IDENTIFIER) - catalog.GONE
    assert undated.isdisjoint(catalog.ENUM_ORDER)
    assert set(catalog.ENUM_ORDER) <= known


def test_rows_name_family_and_version():
    rows = {row.identifier: (row.family, row.version) for row in catalog.TABLE}
    assert rows["python3.12"] == ("python", "3.12")
    assert rows["provided.al2023"] == ("provided", "al2023")
    assert rows["java8.al2"] == ("java", "8.al2")
    assert len(rows) == len(catalog.TABLE)


def test_version_arn_is_stable_and_of_the_model_s_form():
    arn = Catalog().version_arn("python3.12", "eu-central-1")
    assert arn == catalog.version_arn("python3.12", "eu-central-1")
    assert arn != catalog.version_arn("python3.13", "eu-central-1")
    prefix, digest = arn.rsplit(":", 1)
    assert prefix == "arn:aws:lambda:eu-central-1::runtime"
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")


def test_newest_present_is_one_that_aws_accepts_and_this_machine_has():
    names = catalog.accepted(date(2026, 11, 21))
    assert names == ("python3.14", "python3.13", "python3.12")
    newest = catalog.newest_present(names)
    present = [name for name in names if interpreters.find(name)]
    assert newest == (present[0] if present else None)
    assert catalog.newest_present(["python3.77"]) is None


def test_what_nobody_offers_any_more_is_refused_whatever_the_policy():
    lenient = Catalog("warn")
    assert lenient.is_blocked("python2.7", "create", 0)
    assert lenient.is_blocked("go1.x", "update", 0)
    assert not lenient.is_blocked("python3.9", "create", 1_900_000_000_000)
    assert not lenient.is_blocked("nodejs26.x", "create", 0)
