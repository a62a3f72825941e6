import asyncio

from lambent.events.batch import MAX_BYTES, MAX_ITEMS, Batch


def test_items_gather_while_a_write_is_on_its_way_and_keep_their_order():
    async def main():
        writes = []
        gate = asyncio.Event()

        async def write(items):
            writes.append(items)
            await gate.wait()

        async with asyncio.TaskGroup() as tasks:
            batch = Batch(write, tasks.create_task)
            batch.add(0)
            await asyncio.sleep(0)
            for n in range(1, 1000):
                batch.add(n)
            await asyncio.sleep(0)
            assert writes == [[0]]
            gate.set()
            await batch.drained()
        assert [len(items) for items in writes] == [1, MAX_ITEMS, 999 - MAX_ITEMS]
        assert [n for items in writes for n in items] == list(range(1000))

    asyncio.run(main())


def test_a_write_is_bounded_in_bytes():
    async def main():
        writes = []

        async def write(items):
            writes.append(len(items))

        async with asyncio.TaskGroup() as tasks:
            batch = Batch(write, tasks.create_task, lambda size: size)
            for _ in range(6):
                batch.add(MAX_BYTES // 2)
            await batch.drained()
        assert writes == [2, 2, 2]

    asyncio.run(main())
