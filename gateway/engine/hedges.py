"""When a slow model is hedged: after a time that the rule names, or after what the model itself usually takes.

Source of the delay: Dean and Barroso, The Tail at Scale (2013): a second request once the first has been outstanding
for longer than the 95th percentile of what is expected adds a twentieth of the load and cuts the tail.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from gateway.domain.rule import Hedge, Usual

FEWEST_TIMES: Final = 20
"""Times that are too few to say what is usual: a twentieth of fewer is not even one."""
_SHARES: Final = {Usual.P95: 0.95}


def usual_s(times_s: Sequence[float], usual: Usual = Usual.P95) -> float | None:
    """Give what that share of some times stays within; None of too few."""
    if len(times_s) < FEWEST_TIMES:
        return None
    return sorted(times_s)[ceil(len(times_s) * _SHARES[usual]) - 1]


def delay_s(hedge: Hedge | None, learned_s: float | None) -> float | None:
    """Give how long a model may give no content before another is asked beside it; None for no other at all.

    `learned_s` is what the model usually takes, None while too little is known of it.
    """
    if hedge is None:
        return None
    return learned_s if isinstance(hedge.after, Usual) else hedge.after
