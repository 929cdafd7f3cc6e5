"""Taking a change of spend apart into volume, mix, price and tokens, exactly, in whole nano-dollars."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from gateway.domain.shift import Parts


@dataclass(frozen=True, slots=True)
class Share:
    """What one part of the spend, such as a model, came to.

    `listed` is what its tokens would cost at a price that is the same before and after, in nano-dollars: it measures
    how many tokens there were, cached and fresh, in one number.
    """

    calls: int
    listed: int
    nano_usd: int


NONE = Share(0, 0, 0)


def decompose(before: Mapping[str, Share], after: Mapping[str, Share]) -> Parts:
    """Give by how much spend changed, and the four parts that add up to it.

    Volume is what as many calls as after would have cost more in the old mix, at old tokens and prices. Mix is what it
    adds that they went to other shares; a share that was not there before is mix, all of it. Tokens is what the
    calls' tokens add at the old price, price what the new price adds for the new tokens. Each is rounded down to a
    nano-dollar but mix, which takes what is left, at most three nano-dollars.
    """
    whole = sum(each.nano_usd for each in after.values()) - sum(each.nano_usd for each in before.values())
    calls_before = sum(each.calls for each in before.values())
    calls_after = sum(each.calls for each in after.values())
    nano_before = sum(each.nano_usd for each in before.values())
    volume = Fraction(nano_before * (calls_after - calls_before), calls_before) if calls_before else Fraction(whole)
    tokens, price = Fraction(0), Fraction(0)
    for name, now in after.items() if calls_before else ():
        was = before.get(name, NONE)
        if not (was.calls and was.listed and now.calls and now.listed):
            continue
        rate = Fraction(was.nano_usd, was.listed)
        tokens += rate * (now.listed - Fraction(was.listed * now.calls, was.calls))
        price += now.nano_usd - rate * now.listed
    parts = volume.__floor__(), tokens.__floor__(), price.__floor__()
    return Parts(whole, volume=parts[0], mix=whole - sum(parts), price=parts[2], tokens=parts[1])
