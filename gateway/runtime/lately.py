"""What attempts of each rule at each model have cost lately, and what nearly all of them cost."""

from collections import deque
from collections.abc import Sequence

from gateway.engine.budgets import usual_nano_usd

REMEMBERED_COSTS = 256
RELEARN_EVERY = 16
"""Costs after which what is usual is learned anew: to learn it is to sort all that are remembered."""


class Lately:
    """The costs of one rule at one model; `usual_nano_usd` is None while too few are known."""

    __slots__ = ("_costs", "_unlearned", "usual_nano_usd")

    def __init__(self) -> None:
        self._costs: deque[int] = deque(maxlen=REMEMBERED_COSTS)
        self._unlearned = 0
        self.usual_nano_usd: int | None = None

    def add(self, costs: Sequence[int]) -> None:
        """Take what more attempts have cost, in nano-dollars."""
        unlearned = (self._unlearned + len(costs)) % RELEARN_EVERY
        learned = len(costs) - unlearned
        if self._unlearned + len(costs) >= RELEARN_EVERY:
            self._costs.extend(costs[:learned])
            self.usual_nano_usd = usual_nano_usd(self._costs)
            costs = costs[learned:]
        self._costs.extend(costs)
        self._unlearned = unlearned
