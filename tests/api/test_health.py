import asyncio
import json
from types import SimpleNamespace

from lambent.api.health import FRESH_S, LIMIT_S, Health
from lambent.clock import ManualClock
from lambent.errors import SandboxError


class Asked:
    """What the pages need of an exchange."""

    def __init__(self, peer="127.0.0.1"):
        self.peer = peer
        self.tasks = []
        self.answer = None

    def spawn(self, coro):
        self.tasks.append(asyncio.ensure_future(coro))

    def respond(self, status, headers, body):
        self.answer = SimpleNamespace(
            status=status, headers=dict(headers), body=body, json=lambda: json.loads(body)
        )


async def fine():
    pass


async def ready(health, **how):
    asked = Asked(**how)
    health.ready(asked)
    await asyncio.gather(*asked.tasks)
    return asked.answer


def test_each_part_that_is_not_ready_is_named():
    async def no_spawner():
        raise SandboxError("the spawner ended")

    async def broken():
        raise RuntimeError("oh")

    async def main():
        health = Health(
            {"store": fine, "sandbox host": no_spawner, "events": broken}, bool, ManualClock()
        )
        answer = await ready(health)
        assert answer.status == 503
        assert answer.json() == {
            "ready": False,
            "not_ready": ["sandbox host", "events"],
            "parts": {
                "store": "ready",
                "sandbox host": "the spawner ended",
                "events": "RuntimeError: oh",
            },
        }
        # Reasons may name paths and processes; who comes from elsewhere reads which part alone.
        parts = (await ready(health, peer="203.0.113.9")).json()["parts"]
        assert parts == {"store": "ready", "sandbox host": "not ready", "events": "not ready"}

    asyncio.run(main())


def test_ready():
    async def main():
        answer = await ready(Health({"store": fine}, bool, ManualClock()))
        assert answer.status == 200
        assert answer.json() == {"ready": True, "not_ready": [], "parts": {"store": "ready"}}

    asyncio.run(main())


def test_draining_comes_first():
    async def main():
        answer = await ready(Health({"store": fine}, lambda: True, ManualClock()))
        assert answer.status == 503
        assert answer.json()["not_ready"] == ["draining"]

    asyncio.run(main())


def test_a_part_that_does_not_answer(monkeypatch):
    monkeypatch.setattr("lambent.api.health.LIMIT_S", 0.05)

    async def stuck():
        await asyncio.Event().wait()

    async def main():
        answer = await ready(Health({"store": stuck}, bool, ManualClock()))
        assert "did not answer" in answer.json()["parts"]["store"]

    asyncio.run(main())
    assert LIMIT_S < 10  # monitors wait about that long


def test_many_questions_are_one_look():
    async def main():
        looks = 0

        async def count():
            nonlocal looks
            looks += 1
            await asyncio.sleep(0)

        clock = ManualClock()
        health = Health({"store": count}, bool, clock)
        await asyncio.gather(*(ready(health) for _ in range(50)))
        assert looks == 1
        await clock.advance(FRESH_S)
        await ready(health)
        assert looks == 2

    asyncio.run(main())


def test_alive_needs_nothing():
    asked = Asked()

    async def main():
        Health({}, lambda: True, ManualClock()).alive(asked)

    asyncio.run(main())
    assert (asked.answer.status, asked.answer.body) == (200, b"ok\n")
