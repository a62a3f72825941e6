import asyncio

from lambent.clock import ManualClock
from lambent.events.alarm import Alarm


def test_wakes_at_the_earliest_time_and_forgets_it():
    async def main():
        clock = ManualClock()
        alarm = Alarm(clock)
        woken = []

        async def owner():
            while True:
                await alarm.wait()
                woken.append(clock.monotonic())

        task = asyncio.create_task(owner())
        alarm.at(20)
        await clock.advance(1)
        alarm.at(5)
        alarm.at(9)  # later than the earliest: whoever wanted it says so again when woken
        await clock.advance(30)
        assert woken == [5]
        alarm.at(2)  # already past
        await clock.advance(0)
        assert woken == [5, 31]
        task.cancel()

    asyncio.run(main())


def test_looks_again_after_a_minute_because_wall_clocks_are_set():
    async def main():
        clock = ManualClock()
        alarm = Alarm(clock)
        alarm.at(10_000)
        task = asyncio.create_task(alarm.wait())
        await clock.advance(59)
        assert not task.done()
        await clock.advance(2)
        assert task.done()

    asyncio.run(main())
