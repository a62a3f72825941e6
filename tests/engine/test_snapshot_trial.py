"""A version proves itself before it is Active: a fork comes up, and answers the sample event."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.usefixtures("forks")

SOURCE = """
import json, os, threading, time
calls = []
def handler(event, context):
    calls.append(event)
    print("called with", json.dumps(event), len(calls))
    if event.get("leave"):
        os._exit(3)
    if event.get("fail"):
        raise ValueError("no")
    return len(calls)
"""


def _prepared(engine, sample, path="events/one.json", **fields):
    async def prepare(e):
        files = {"app.py": SOURCE}
        if sample is not None:
            files["events/one.json"] = sample
        e.function(files, snap_start=True, sample_event=path, **fields)
        (target,) = e.targets["f"].versions.values()
        prepared = await e.dispatcher.prepare(target)
        return prepared, e.dispatcher.snapshots.why_not(target)

    return prepare


@pytest.mark.parametrize("sample", ['{"a": 1}', '{"fail": true}'])
def test_the_sample_event_runs_once_in_the_trial(engine, sample):
    async def scenario(e):
        prepared, why_not = await _prepared(engine, sample)(e)
        assert (tuple(prepared), why_not) == (("", "", ""), "")
        assert len([line for line in await e.log() if line.startswith("called with")]) == 1
        # The template itself has not run it: a fork counts from the beginning.
        assert await e.answer() == 1
        assert e.targets["f"].versions["$LATEST"].sample_event

    engine(scenario)


def test_a_fork_that_ends_in_its_sample_event_makes_the_version_stand_by(engine):
    async def scenario(e):
        prepared, why_not = await _prepared(engine, '{"leave": true}')(e)
        assert prepared.failed == ""
        assert "did not come up" in prepared.standby == why_not
        assert await e.answer() == 1

    engine(scenario)


@pytest.mark.parametrize(
    ("sample", "path"),
    [
        ("{", "events/one.json"),
        (None, "events/one.json"),
        ("{}", "../../../../../../etc/passwd"),
        ("{}", "/etc/passwd"),
        ("{}", "events"),
    ],
)
def test_what_is_no_event_of_the_package_is_not_run(engine, sample, path):
    async def scenario(e):
        prepared, _ = await _prepared(engine, sample, path)(e)
        assert tuple(prepared) == ("", "", "")
        assert not [line for line in await e.log() if line.startswith("called with")]

    engine(scenario)


def test_a_link_out_of_the_package_is_not_followed(engine, tmp_path):
    async def scenario(e):
        (tmp_path / "secret.json").write_text('{"secret": 1}')
        e.function({"app.py": SOURCE}, snap_start=True, sample_event="one.json")
        (target,) = e.targets["f"].versions.values()
        os.symlink(tmp_path / "secret.json", target.code_path / "one.json")
        assert tuple(await e.dispatcher.prepare(target)) == ("", "", "")
        assert not [line for line in await e.log() if line.startswith("called with")]

    engine(scenario)
