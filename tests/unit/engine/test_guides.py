"""The memory of guides: what a scheduler keeps, and what requests in flight share."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from armature.engine.guides.compiler import OVERHEAD
from armature.engine.guides.trials import Room
from armature.engine.scheduler.grammars import GuideCache


def guide(size: int) -> SimpleNamespace:
    return SimpleNamespace(ctx=SimpleNamespace(memory_size_bytes=size))


STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1500), st.booleans()), max_size=60)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_a_cache_keeps_what_was_used_last_and_never_more_than_its_limit(steps: list[tuple[int, int, bool]]) -> None:
    cache, used, sizes = GuideCache(1000), [], {}
    for name, size, put in steps:
        key = ("regex", str(name))
        if put:
            cache[key] = guide(size)
            sizes[key] = max(1, int(size * OVERHEAD)) + len("regex") + 1
            used = [k for k in used if k != key] + [key]
        elif cache.get(key) is not None:
            used = [k for k in used if k != key] + [key]
        kept = {k for k in used if cache._kept.get(k)}
        assert cache.size == sum(sizes[k] for k in kept) <= 1000 and len(cache) == len(kept)
        assert list(kept and used[-len(kept) :]) == [k for k in used if k in kept], "what was used last goes last"
        used = [k for k in used if k in kept]


def test_a_refused_guide_takes_the_size_of_its_text() -> None:
    cache = GuideCache(100)
    cache["regex", "x" * 90] = SimpleNamespace(error_message="no")
    assert cache.size == 96
    cache.clear()
    assert (cache.size, len(cache)) == (0, 0)


async def test_guides_in_flight_wait_for_room_and_count_once() -> None:
    room, order = Room(100), []

    async def use(key: str, size: int, until: asyncio.Event) -> None:
        async with room.taken(key, size):
            order.append(key)
            await until.wait()

    first, second, third = (asyncio.Event() for _ in range(3))
    uses = (("a", 60, first), ("a", 60, first), ("b", 60, second), ("c", 60, third), ("d", 30, third))
    tasks = [asyncio.create_task(use(*args)) for args in uses]
    await asyncio.sleep(0)
    assert order == ["a", "a", "d"]
    tasks[3].cancel()  # a client that goes away while it waits
    first.set()
    await asyncio.wait(tasks[:2])
    await asyncio.sleep(0)
    assert order == ["a", "a", "d", "b"]
    second.set()
    third.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with room.taken("all", 100):
        pass
