"""What happened is written down in the end, even if the disk refuses for a while."""

import asyncio


def run(main):
    return asyncio.run(asyncio.wait_for(main, 100))


REFUSE = """
CREATE TRIGGER refuse_delete BEFORE DELETE ON event_queue BEGIN SELECT RAISE(ABORT, 'no'); END;
CREATE TRIGGER refuse_update BEFORE UPDATE ON event_queue BEGIN SELECT RAISE(ABORT, 'no'); END;
"""
ALLOW = "DROP TRIGGER refuse_delete; DROP TRIGGER refuse_update;"


async def pass_time(server):
    """A second for the queue, and a moment for the database's thread."""
    await server.clock.advance(1)
    await asyncio.sleep(0.01)


def test_a_disk_that_refuses_is_asked_again(server, failed):
    async def main():
        async with server().running() as s:
            await s.database.write(lambda c: c.execute(REFUSE))
            s.callee.answers["bad"] = failed
            await s.accept("r1", "good")
            await s.accept("r2", "bad")
            await s.callee.until(lambda: len(s.callee.calls) == 2)
            await s.accept("r3", "good")  # accepting and delivering go on
            await s.callee.until(lambda: len(s.callee.calls) == 3)
            written = asyncio.create_task(s.queue._settlement.drained())
            for _ in range(5):
                await pass_time(s)
            assert not written.done()
            await s.database.write(lambda c: c.execute(ALLOW))
            while not written.done():
                await pass_time(s)
            await s.clock.advance(180)
            await s.callee.until(lambda: len(s.callee.of("bad")) >= 2)
            assert len(s.callee.of("good")) == 2
            left = await s.database.read(
                lambda c: c.execute("SELECT DISTINCT request_id FROM event_queue").fetchall()
            )
            assert left in ([("r2",)], [])

    run(main())


def test_stopping_gives_up_what_the_disk_refuses_and_the_next_server_delivers_it_again(server):
    async def main():
        first = server()
        async with first.running():
            await first.database.write(lambda c: c.execute(REFUSE.splitlines()[1]))
            await first.accept("r1")
            await first.callee.until(lambda: first.callee.calls)
            first.queue._settlement.stopping = True
            written = asyncio.create_task(first.queue._settlement.drained())
            while not written.done():
                await pass_time(first)
            await first.database.write(lambda c: c.execute("DROP TRIGGER refuse_delete"))
        async with server().running() as after:
            await after.callee.until(lambda: after.callee.calls)
            assert after.callee.of("f")[0][0] == "r1"
            await after.empty()

    run(main())
