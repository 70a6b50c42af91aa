"""Batches of requests that wait, the bounded queue, and errors that stay with their request."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.serve.worker import Busy, Work, Worker


class Gate:
    """Work that waits until it may go on, and remembers its batches."""

    def __init__(self, **options):
        self.open = threading.Event()
        self.batches: list[list] = []
        self.work = Work("gate", self.run, **options)

    def run(self, items):
        self.open.wait(10)
        self.batches.append(list(items))
        if "bad" in items:
            raise ValueError("bad")
        return [f"{item}!" for item in items]


async def settle(worker, waiting):
    while worker.waiting != waiting:
        await asyncio.sleep(0.001)


def run(main):
    return asyncio.run(asyncio.wait_for(main, 20))


@given(st.lists(st.sampled_from("abc") | st.just("bad"), max_size=12), st.integers(1, 5))
def test_every_request_gets_its_own_answer(items, most):
    gate, sizes = Gate(most=most), []

    async def main():
        worker = Worker(100, lambda name, size: sizes.append(size))
        first = asyncio.create_task(worker.do(gate.work, "first"))
        await asyncio.sleep(0.01)
        rest = [asyncio.create_task(worker.do(gate.work, item)) for item in items]
        await asyncio.sleep(0)
        gate.open.set()
        answers = await asyncio.gather(first, *rest, return_exceptions=True)
        await asyncio.to_thread(worker.close)
        return answers

    answers = run(main())
    for item, answer in zip(["first", *items], answers):
        assert str(answer) == ("bad" if item == "bad" else f"{item}!")
        assert isinstance(answer, ValueError) == (item == "bad")
    assert sum(sizes) == 1 + len(items) and max(sizes) <= most


def test_what_waits_is_done_at_once_by_kind_and_weight():
    gate, other = Gate(most=3, heaviest=10), Gate()

    async def main():
        worker = Worker()
        tasks = [asyncio.create_task(worker.do(gate.work, "first"))]
        await asyncio.sleep(0.05)
        for work, item, weight in (
            (gate.work, "a", 6),
            (other.work, "x", 0),
            (gate.work, "b", 6),
            (gate.work, "c", 4),
            (gate.work, "heavy", 50),
        ):
            tasks.append(asyncio.create_task(worker.do(work, item, weight)))
        await settle(worker, 5)
        gate.open.set()
        other.open.set()
        await asyncio.gather(*tasks)
        worker.close()

    run(main())
    assert gate.batches == [["first"], ["a", "c"], ["b"], ["heavy"]] and other.batches == [["x"]]


def test_a_full_queue_turns_away_and_a_caller_that_leaves_makes_room():
    gate = Gate()

    async def main():
        worker = Worker(capacity=2)
        first = asyncio.create_task(worker.do(gate.work, "first"))
        await asyncio.sleep(0.05)
        tasks = [asyncio.create_task(worker.do(gate.work, name)) for name in "ab"]
        await settle(worker, 2)
        with pytest.raises(Busy):
            await worker.do(gate.work, "c")
        tasks[0].cancel()
        await settle(worker, 1)
        tasks.append(asyncio.create_task(worker.do(gate.work, "d")))
        await settle(worker, 2)
        first.cancel()  # it is being computed; its answer goes nowhere
        gate.open.set()
        assert await tasks[1] == "b!" and await tasks[2] == "d!"
        await asyncio.to_thread(worker.close)
        with pytest.raises(Busy):
            await worker.do(gate.work, "e")

    run(main())
    assert ["a"] not in gate.batches and not any("a" in batch for batch in gate.batches)
