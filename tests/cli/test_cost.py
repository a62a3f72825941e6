import json

import pytest

from lambent.cost import billing, prices


@pytest.fixture(scope="module")
def spent(live):
    """A function that was called three times; what the invokes said they cost."""
    assert live.run("init", "priced").returncode == 0
    assert live.run("deploy", cwd=live.folder / "priced").returncode == 0
    return [json.loads(live.run("invoke", "priced").stdout)["report"] for _ in range(3)]


def cost(place, *words: str) -> dict:
    done = place.run("cost", "priced", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_what_was_billed_to_the_picodollar(live, spent) -> None:
    found = cost(live)
    assert set(found) == {
        "function", "since", "window_s", "requests", "cold_starts", "billed_ms", "memory_mb",
        "cost", "month", "what_if", "assumption", "free_tier", "prices",
    }  # fmt: skip
    assert (found["requests"], found["cold_starts"]) == (3, 1)
    billed = sum(int(report["billed_ms"]) for report in spent)
    assert (found["billed_ms"], found["memory_mb"]) == (billed, [512])
    rates = prices.default().x86_64
    assert found["cost"]["requests_pico"] == 3 * rates.request
    assert found["cost"]["duration_pico"] == billing.per_gb_s(billed * 512 * rates.duration_gb_s)
    assert found["cost"]["total_pico"] == (
        found["cost"]["requests_pico"] + found["cost"]["duration_pico"]
    )
    assert found["month"]["requests"] == 90  # three a day
    assert found["prices"]["date"]


@pytest.mark.slow
def test_what_if(live, spent) -> None:
    found = cost(live, "--what-if", "memory=512,1024", "--what-if", "requests=1e6,2000000")
    rows = {row["label"]: row for row in found["what_if"]}
    assert list(rows) == [
        "memory=512 requests=1000000", "memory=512 requests=2000000",
        "memory=1024 requests=1000000", "memory=1024 requests=2000000",
    ]  # fmt: skip
    one, two = rows["memory=512 requests=1000000"], rows["memory=1024 requests=1000000"]
    assert one["billed_ms"] == two["billed_ms"]  # the assumption: durations stay
    assert two["gb_s"] == pytest.approx(2 * one["gb_s"])
    assert two["cost"]["duration_pico"] == pytest.approx(2 * one["cost"]["duration_pico"], abs=1)
    assert "stays as it is" in found["assumption"]

    faster = cost(live, "--what-if", "memory=1024", "--assume", "cpu")
    assert faster["what_if"][0]["billed_ms"] <= found["month"]["requests"] * 1000
    free = cost(live, "--what-if", "requests=1e6", "--free-tier")
    assert free["what_if"][0]["cost"]["free_tier_pico"] > 0
    assert free["month"]["cost"]["total_pico"] == 0


@pytest.mark.slow
def test_on_a_terminal(live, spent) -> None:
    screen = live.on_terminal("cost", "priced", "--what-if", "memory=1024,2048")
    assert screen.returncode == 0
    assert "3 requests since" in screen.text
    assert "memory=2048" in screen.text
    assert "assumed: the billed duration stays as it is" in screen.text
    assert "--what-if memory=512,1024" in live.on_terminal("cost", "priced").text


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("nobody",), "ResourceNotFoundException", 1),
        (("priced", "--since", "2126-01-01"), "NOTHING_TO_PRICE", 1),
        (("priced", "--what-if", "memory"), "WHAT_IF_INVALID", 2),
        (("priced", "--what-if", "memory=64"), "WHAT_IF_INVALID", 2),
        (("priced", "--what-if", "requests=1.5"), "WHAT_IF_INVALID", 2),
        (("priced", "--what-if", "architecture=mips"), "WHAT_IF_INVALID", 2),
        ((), "FUNCTION_MISSING", 2),
    ],
)
def test_what_is_wrong_is_said(live, spent, words, code, exit_code) -> None:
    done = live.run("cost", *words)
    assert done.returncode == exit_code, done.stderr
    assert f"error[{code}]" in done.stderr
    assert "\n  fix   " in done.stderr
