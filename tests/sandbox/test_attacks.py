"""Each promise of the sandbox, attacked by a program inside one (`programs/`, one promise a file)."""

from __future__ import annotations

import os

import pytest


@pytest.mark.slow
def test_promise_holds(attacks, attack_name):
    result = attacks[attack_name]
    if attack_name == "memory_eater":
        pytest.skip("judged by test_memory_ends_at_the_limit")
    assert result["code"] == 0, result["text"] or result
    assert result["alive"], "the place did not survive the attack"


def test_memory_ends_at_the_limit(attacks):
    result = attacks["memory_eater"]
    if os.geteuid() == 0:
        assert (result["signal"], result["oom"]) == (9, True), result
    else:
        assert result["code"] == 12 or result["oom"], result
    assert result["alive"], "the place did not survive the attack"
