"""The end of a day: what it says of the next ones, and what has become normal."""

from gateway.domain.shift import Channel
from gateway.engine.shifts.buckets import Key
from gateway.engine.shifts.doubts import doubt_normal
from gateway.engine.shifts.incidents import Incident
from gateway.engine.shifts.places import Places
from gateway.engine.shifts.prices import FORGOTTEN_A_DAY, solved
from gateway.engine.shifts.seasons import WEEKDAYS, Seasons
from gateway.engine.shifts.series import slots_a_scale
from gateway.engine.shifts.state import State
from gateway.engine.shifts.terms import DAY_S, SCALES_S, Terms
from gateway.engine.shifts.usual import BIAS, day_of

NAMES_KEPT_DAYS = 30
SCALE_OF_A_DAY = 4


def close_day(state: State, day: int, terms: Terms, places: Places) -> None:
    """Learn from a day that has ended."""
    weekday = day % WEEKDAYS
    tables = day_of(state.today, places, weekday)
    tables[BIAS] = state.bias
    state.usual.close(day, tables, terms)
    state.today, state.bias = {}, {}
    for dimension in terms.dimensions.who:
        state.seasons.setdefault(dimension, Seasons()).close(weekday, state.asked.get(dimension, {}))
    state.asked = {}
    for model, sums in state.price_sums.items():
        price = solved(sums)
        if price is not None:
            state.prices[model] = price
        for i in range(len(sums)):
            sums[i] *= FORGOTTEN_A_DAY
    state.wandering.age()
    for sources in (state.size, state.choice, state.volume):
        for scale in range(len(SCALES_S)):
            number = _newest(sources.scales[scale].values())
            sources.prune(scale, number, slots_a_scale(scale, terms.bucket_s))
    for names in state.names:
        for name in [name for name, seen in names.items() if day - seen > NAMES_KEPT_DAYS]:
            del names[name]


def _newest(rows: object) -> int:
    return max((int(row[0]) for row in rows), default=0)  # type: ignore[attr-defined]


def make_normal(state: State, incident: Incident, day: int) -> None:
    """Take what an incident tells of for usual: its channel begins anew with the whole days since."""
    channel = incident.cause.channel
    first = int(incident.since // DAY_S) + 1
    if channel is Channel.PRICE:
        _, _, due, cost = state.watches.prices.pop(incident.cause.value, [0.0, 0.0, 1.0, 1.0])
        price = state.prices.get(incident.cause.value)
        if price is not None:
            state.prices[incident.cause.value] = (price[0] * cost / due, price[1] * cost / due, price[2] * cost / due)
        state.price_sums.pop(incident.cause.value, None)
    if channel is Channel.VOLUME:
        _more_often(state, (incident.cause.dimension, incident.cause.value))
    state.usual.begin_anew({channel, *incident.symptoms}, first)
    doubt_normal(state, incident, float(day * DAY_S))


def _more_often(state: State, key: Key) -> None:
    sums = state.volume.scales[SCALE_OF_A_DAY].get(key)
    seasons = state.seasons.get(key[0])
    if sums is None or seasons is None or sums[4] <= 0 or key[1] not in seasons.askers:
        return
    ratio = sums[3] / sums[4]
    calls = seasons.askers[key[1]]
    for slot, count in enumerate(calls):
        seasons.all[slot] += count * (ratio - 1)
        calls[slot] = count * ratio


def settle(state: State, now: float) -> None:
    """Forget the sums over time: what an incident left in them says nothing of what is now."""
    for sources in (state.size, state.choice, state.volume):
        for held in sources.scales:
            held.clear()
    for spend in state.spend:
        spend[1] = 0.0
    for gathered in state.gathered:
        gathered.size, gathered.choice, gathered.volume, gathered.spend = {}, {}, {}, 0.0
    state.rising = {}
    state.unsettled_until = now + DAY_S
