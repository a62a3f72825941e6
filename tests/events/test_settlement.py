"""What happened is written down in the end, even if the disk refuses for a while."""

import asyncio


def run(main):
    return asyncio.run(asyncio.wait_for(main, 100))


REFUSE = """
CREATE TRIGGER refuse_delete BEFORE DELETE ON event_queue BEGIN SELECT RAISE(ABORT, 'no'); END;
CREATE TRIGGER refuse_update BEFORE UPDATE ON event_queue BEGIN SELECT RAISE(ABORT, 'no'); END;
"""
ALLOW = "DROP TRIGGER refuse_delete; DROP TRIGGER refuse_update;"


def test_a_disk_that_refuses_is_asked_again(server, failed):
    async def main():
        async with server().running() as s:
            await s.database.write(lambda c: c.execute(REFUSE))
            s.callee.answers["bad"] = failed
            await s.accept("r1", "good")
            await s.accept("r2", "bad")
            await s.callee.until(lambda: len(s.callee.calls) == 2)
            for _ in range(3):
                await asyncio.sleep(0.05)
                await s.clock.advance(1)
            await s.accept("r3", "good")  # accepting and delivering go on
            await s.callee.until(lambda: len(s.callee.calls) == 3)
            await s.database.write(lambda c: c.execute(ALLOW))
            await s.clock.advance(60)
            left = await s.rows("SELECT request_id, attempts, lease FROM event_queue")
            assert left in ([("r2", 1, None)], [])
            await s.clock.advance(120)
            await s.callee.until(lambda: len(s.callee.of("bad")) >= 2)
            assert len(s.callee.of("good")) == 2

    run(main())


def test_stopping_gives_up_what_the_disk_refuses_and_the_next_server_delivers_it_again(server):
    async def main():
        first = server()
        async with first.running():
            await first.database.write(lambda c: c.execute(REFUSE.splitlines()[1]))
            await first.accept("r1")
            await first.callee.until(lambda: first.callee.calls)
            await asyncio.sleep(0.05)
            first.queue._settlement.stopping = True
            await first.clock.advance(2)
            await first.rows()
            await first.database.write(lambda c: c.execute("DROP TRIGGER refuse_delete"))
        async with server().running() as after:
            await after.callee.until(lambda: after.callee.calls)
            assert after.callee.of("f")[0][0] == "r1"
            await after.empty()

    run(main())
