"""The limit on the steps of a guide: an average, of the thread's own time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from armature.engine.scheduler.guide_steps import StepLimit


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Guide:
    """Each step of it takes as long as the next of `costs`."""

    def __init__(self, clock: Clock, costs: list[float]) -> None:
        self.clock, self.costs = clock, iter(costs)

    def step(self, _token: int = 0) -> None:
        self.clock.at += next(self.costs)


def follow(costs: list[float], within: bool = False) -> list[str]:
    clock = Clock()
    limit = StepLimit(0.005, clock)
    guide = Guide(clock, costs)
    limit.owned(SimpleNamespace(rid="r1", grammar=SimpleNamespace(grammar=guide) if within else guide))
    step = limit.timed(Guide.step, counts=True)
    for _ in costs:
        step(guide, 1)
    return limit.exceeded()


@pytest.mark.parametrize(
    ("costs", "ended"),
    [
        ([0.005] * 1000, []),
        ([0.4] + [0.001] * 200, []),  # one slow step
        ([0.001 * n for n in range(200)], ["r1"]),  # each longer than the one before
        ([0.02] * 200, ["r1"]),
        ([9.0], ["r1"]),
    ],
)
@pytest.mark.parametrize("within", [False, True], ids=["alone", "within a reasoner's"])
def test_a_request_is_ended_once_when_its_guide_takes_too_long(costs: list[float], ended: list[str], within: bool) -> None:
    assert follow(costs, within) == ended


def test_a_guide_that_no_request_owns_is_left_alone_and_an_error_counts_as_well() -> None:
    clock = Clock()
    limit = StepLimit(0.005, clock)

    def breaks(_guide: object) -> None:
        clock.at += 1.0
        raise ValueError("the token is not accepted")

    guide = SimpleNamespace()
    step = limit.timed(breaks, counts=True)
    with pytest.raises(ValueError, match="not accepted"):
        step(guide)
    assert limit.exceeded() == []
    limit.owned(SimpleNamespace(rid="r1", grammar=guide))
    with pytest.raises(ValueError, match="not accepted"):
        step(guide)
    assert limit.exceeded() == ["r1"] and limit.exceeded() == []
