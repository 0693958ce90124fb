"""One stream function, two ways out; cancellation; what is in flight."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from armature.errors import UserError
from armature.runtime.egress import InFlight, check_egress, on_cancel, pull, push


class Context:
    def __init__(self) -> None:
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def id(self) -> str:
        return "r"

    def is_stopped(self) -> bool:
        return self.future.done()

    def async_killed_or_stopped(self) -> asyncio.Future[bool]:
        return self.future


class Sender:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed = False

    def send(self, obj: Any) -> None:
        assert not self.closed
        self.sent.append(obj)

    def close(self) -> None:
        self.closed = True


async def three(request: dict[str, Any], context: Any) -> AsyncIterator[dict[str, Any]]:
    for i in range(3):
        if i == request.get("fail_at"):
            raise RuntimeError("broken")
        yield {"i": i}
        await asyncio.sleep(0)


def test_pull_and_push_give_the_same_chunks() -> None:
    async def run() -> None:
        in_flight, sender = InFlight(), Sender()
        pulled = [c async for c in pull(three, in_flight)({}, Context())]
        assert [c async for c in push(three, in_flight)({}, Context(), sender)] == []
        assert sender.sent == pulled == [{"i": 0}, {"i": 1}, {"i": 2}] and sender.closed

    asyncio.run(run())


def test_push_without_a_sender_is_pulled() -> None:
    async def run() -> None:
        assert len([c async for c in push(three, InFlight())({}, Context())]) == 3

    asyncio.run(run())


def test_the_runtime_knows_push_by_its_parameter() -> None:
    async def run() -> None:
        assert "response_sender" in inspect.signature(push(three, InFlight())).parameters
        assert "response_sender" not in inspect.signature(pull(three, InFlight())).parameters

    asyncio.run(run())


def test_errors_pass_and_leave_nothing_in_flight() -> None:
    async def run() -> None:
        in_flight, sender = InFlight(), Sender()
        with pytest.raises(RuntimeError, match="broken"):
            [c async for c in push(three, in_flight)({"fail_at": 1}, Context(), sender)]
        assert sender.sent == [{"i": 0}] and not sender.closed
        with pytest.raises(RuntimeError, match="broken"):
            [c async for c in pull(three, in_flight)({"fail_at": 0}, Context())]
        assert in_flight.count == 0

    asyncio.run(run())


@pytest.mark.parametrize("way", [push, pull])
def test_an_error_does_not_hold_the_request(way: Any) -> None:
    """The runtime keeps the last error of a process, and with it the frames that it passed."""

    class Prompt:
        pass

    async def run() -> BaseException:
        request = {"fail_at": 0, "token_ids": (prompt := Prompt())}
        held.append(weakref.ref(prompt))
        del prompt
        with pytest.raises(RuntimeError) as caught:
            [c async for c in way(three, InFlight())(request, Context())]
        return caught.value

    held: list[weakref.ref[Prompt]] = []
    error = asyncio.run(run())
    assert error.__traceback__ is not None and held[0]() is None


def test_drained_waits_for_the_last_and_not_longer_than_allowed() -> None:
    async def run() -> None:
        in_flight = InFlight()
        assert await in_flight.drained(0.01)
        chunks = pull(three, in_flight)({}, Context())
        await anext(chunks)
        assert in_flight.count == 1 and not await in_flight.drained(0.01)
        waiting = asyncio.create_task(in_flight.drained(5))
        _ = [c async for c in chunks]
        assert await waiting

    asyncio.run(run())


def test_on_cancel_acts_once_and_only_inside() -> None:
    async def run() -> None:
        acted: list[int] = []
        context = Context()
        with on_cancel(context, lambda: acted.append(1)):
            context.future.set_result(True)
            await asyncio.sleep(0)
            assert acted == [1]
        later = Context()
        with on_cancel(later, lambda: acted.append(2)):
            pass
        assert later.future.cancelled()
        await asyncio.sleep(0)
        assert acted == [1]

    asyncio.run(run())


def test_no_task_is_made_for_a_request() -> None:
    async def run() -> None:
        seen = set()

        async def counting(request: dict[str, Any], context: Any) -> AsyncIterator[dict[str, Any]]:
            with on_cancel(context, lambda: None):
                async for chunk in three(request, context):
                    seen.update(asyncio.all_tasks())
                    yield chunk

        [c async for c in push(counting, InFlight())({}, Context(), Sender())]
        assert seen == {asyncio.current_task()}

    asyncio.run(run())


def test_egress_names() -> None:
    assert check_egress("push") == "push"
    with pytest.raises(UserError, match="did you mean 'pull'"):
        check_egress("pul")
