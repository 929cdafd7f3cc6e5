"""The fold over spend: events and edits in, notices out; the same events in any portions give the same notices.

    fold = Fold(Terms(dimensions))
    for event in events:
        notices = fold.add(event)
    notices = fold.advance(now)

An event costs a few additions; the work is done when a bucket of stream time closes. The state is plain values.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from gateway.domain.alert import Severity
from gateway.domain.shift import Cause, Channel, Direction, Edit, Finding, Notice, SpendEvent, Status
from gateway.engine.shifts import buckets
from gateway.engine.shifts.buckets import Cells, Key
from gateway.engine.shifts.choose import Chosen, choose
from gateway.engine.shifts.days import close_day, make_normal, settle
from gateway.engine.shifts.doubts import doubt_ended, strictness
from gateway.engine.shifts.ends import is_over
from gateway.engine.shifts.incidents import Incident, absorbed, normal_after_s, severity_of
from gateway.engine.shifts.judge import Frame, apart_of, gather, impact_of, judged, take_volume, volume_of
from gateway.engine.shifts.notices import Told, told
from gateway.engine.shifts.places import places_of
from gateway.engine.shifts.prices import learn
from gateway.engine.shifts.scores import age_s
from gateway.engine.shifts.seasons import SLOTS_A_DAY, WEEKDAYS
from gateway.engine.shifts.slots import Against, Slot, slot_of
from gateway.engine.shifts.state import State, from_plain, to_plain
from gateway.engine.shifts.terms import DAY_S, SCALES_S, Terms
from gateway.engine.shifts.usual import Expected, expected
from gateway.engine.shifts.watches import EDITED, after_edits, repriced, storms

OTHERS: Final = "(others)"
"""The name of all values beyond the most that are told apart."""
MOST_CELLS: Final = 20_000
RISES_FROM: Final = 0.5
RISE_FORGOTTEN_S: Final = 5 * 3600
TOTALS_DAYS: Final = 2


class Fold:
    """Spend shifts of one stream of events, which come in the order of time, or nearly."""

    def __init__(self, terms: Terms, kept: Any = None) -> None:  # noqa: ANN401 - JSON values
        """Begin, or go on from what `to_plain` gave. Raises ValueError or KeyError for what does not fit."""
        self._terms = terms
        self._places = places_of(terms.dimensions)
        self._state = State() if kept is None else from_plain(kept, terms.dimensions)
        self._expected = Expected()
        self._odds: dict[str, dict[str, list[float]]] = {}
        self._end_s = float("-inf")
        if self._state.bucket is not None:
            self._end_s = float((self._state.bucket + 1) * terms.bucket_s)
            self._expect(self._state.bucket)

    def to_plain(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return to_plain(self._state, self._terms.dimensions)

    @property
    def bucket_s(self) -> int:
        """How long a bucket is."""
        return self._terms.bucket_s

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """The incidents that go on."""
        return tuple(self._state.incidents)

    def add(self, event: SpendEvent) -> list[Notice]:
        """Add an event; give what is to be said of the buckets before it. A late one counts in the open bucket."""
        notices = self.advance(event.ts) if event.ts >= self._end_s else []
        buckets.add(self._state.cells, event)
        return notices

    def add_cells(self, bucket: int, cells: Cells) -> list[Notice]:
        """Add the events of one bucket that were summed before, as `buckets.add` sums them."""
        notices = self.advance(float(bucket * self._terms.bucket_s))
        buckets.summed(self._state.cells, cells)
        return notices

    def edit(self, edit: Edit) -> list[Notice]:
        """Take note that a rule was touched."""
        notices = self.advance(edit.ts) if edit.ts >= self._end_s else []
        self._state.watches.edits[edit.rule] = edit, [0.0] * 7
        return notices

    def advance(self, now: float) -> list[Notice]:
        """Close the buckets that end by `now`, and give what is to be said."""
        state, length = self._state, self._terms.bucket_s
        number = int(now // length)
        notices: list[Notice] = []
        if state.bucket is None:
            state.bucket = state.first = number
            self._expect(number)
        while state.bucket < number:
            notices += self._close(state.bucket)
            state.bucket += 1
            if state.bucket * length % DAY_S == 0:
                notices += self._next_day(state.bucket * length // DAY_S)
        self._end_s = float((state.bucket + 1) * length)
        return notices

    # -- buckets and days

    def _expect(self, bucket: int) -> None:
        weekday = bucket * self._terms.bucket_s // DAY_S % WEEKDAYS
        self._expected = expected(self._state.usual, self._state.prices, weekday)
        self._odds = {name: seasons.odds(weekday) for name, seasons in self._state.seasons.items()}

    def _next_day(self, day: int) -> list[Notice]:
        state, now = self._state, float(day * DAY_S)
        close_day(state, day - 1, self._terms, self._places)
        notices = []
        for incident in list(state.incidents):
            if now - incident.fired >= normal_after_s(incident, self._terms):
                make_normal(state, incident, day)
                notices.append(self._end(incident, now, "it is the new normal"))
        self._expect(day * DAY_S // self._terms.bucket_s)
        return notices

    def _close(self, bucket: int) -> list[Notice]:
        state, terms = self._state, self._terms
        start = bucket * terms.bucket_s
        now = float(start + terms.bucket_s)
        state.cells = self._known(state.cells, start // DAY_S)
        age = now - state.first * terms.bucket_s
        learning = age > terms.calibrated_from_days * DAY_S and not state.incidents and now > state.unsettled_until
        frame = Frame(terms, self._expected, self._odds, learning, strictness(state, now))
        half_hour = start % DAY_S * SLOTS_A_DAY // DAY_S
        volume = volume_of(state, frame, self._places, half_hour)
        take_volume(state, bucket, volume, terms)
        settled = age > terms.calibrated_from_days * DAY_S
        apart, going_on = apart_of(state, volume, bucket) if settled else (frozenset(), frozenset())
        frame = replace(frame, going_on=going_on)
        slot = slot_of(state.cells, Against(self._places, self._expected, state.prices, apart))
        slot.volume = volume
        self._learn(bucket, half_hour, apart, slot)
        gather(state, slot)
        found = list(judged(state, frame, bucket, slot))
        state.watches.take(bucket, now, slot)
        state.wastes.take(bucket, slot, terms)
        found += after_edits(state.watches, now, terms, self._expected)
        found += storms(state.watches, bucket, terms, self._spend_a_bucket())
        found += repriced(state.watches, bucket, terms, self._expected)
        found += state.wastes.found(bucket, terms, self._spend_a_bucket())
        state.cells = {}
        self._rise(found, now)
        notices = self._resolve(bucket, now, slot)
        over = any(each.status is Status.RESOLVED for each in notices)  # what was found is of its sums, which are gone
        if age > terms.warm_up_days * DAY_S and not over:
            notices += self._open(found, now)
        return notices

    def _spend_a_bucket(self) -> float:
        """Give the spend of a bucket of about now."""
        number, nano = self._state.spend[1]
        return nano / (SCALES_S[1] / self._terms.bucket_s) if number else 0.0

    def _known(self, cells: Cells, day: int) -> Cells:
        """Give cells with no more different values than are told apart."""
        names = self._state.names
        if not names:
            names += [{} for _ in self._places.names]
        most = self._terms.most_values
        full = len(self._state.today) >= MOST_CELLS
        odd: list[Key] = []
        for key in cells:
            for known, value in zip(names, key, strict=False):
                if value in known or len(known) < most:
                    known[value] = day
                else:
                    odd.append(key)
                    break
            else:
                if full and key not in self._state.today:
                    odd.append(key)
        if not odd:
            return cells
        folded = {key: cell for key, cell in cells.items() if key not in set(odd)}
        for key in odd:
            values = [
                value if value in known and not (full and at in self._places.who) else OTHERS
                for at, (known, value) in enumerate(zip(names, key, strict=False))
            ]
            buckets.summed(folded, {(*values, key[-1]): cells[key]})
        return folded

    def _learn(self, bucket: int, half_hour: int, apart: frozenset[Key], slot: Slot) -> None:
        """Add the bucket to what the day will say; askers who stand apart count as usual."""
        state, places = self._state, self._places
        odd_prices = state.watches.prices.keys()
        for key, cell in state.cells.items():
            model = key[places.model]
            if model not in odd_prices:
                learn(state.price_sums, model, cell)
            if apart and any((places.names[at], key[at]) in apart for at in places.who):
                continue
            buckets.summed(state.today, {key: cell})
        for (dimension, name), (_, _, calls, due, _) in slot.volume.items():
            askers = state.asked.setdefault(dimension, {})
            if name not in askers:
                askers[name] = [0.0] * SLOTS_A_DAY
            askers[name][half_hour] += due if (dimension, name) in apart else calls
        for (model,), (calls, listed, nano) in slot.models.items():
            rows = state.totals.setdefault(model, [])
            rows.append([float(bucket), calls, listed, nano])
            while rows[0][0] < bucket - TOTALS_DAYS * DAY_S // self._terms.bucket_s:
                rows.pop(0)
        for sums in state.gains.values():
            sums[1] *= 0.95
        for key, (_, excess, _) in slot.gains.items():
            held = state.gains.setdefault(key, [0.0, 0.0])
            held[1] += excess

    # -- incidents

    def _rise(self, found: Iterable[Finding], now: float) -> None:
        rising = self._state.rising
        for each in found:
            if abs(each.score) >= RISES_FROM * each.needed:
                key = (each.cause.channel.value, each.cause.dimension, each.cause.value)
                held = rising.get(key)
                if held is None or now - held[1] > RISE_FORGOTTEN_S:
                    rising[key] = [now, now]
                else:
                    held[1] = now

    def _open(self, found: list[Finding], now: float) -> list[Notice]:
        state, terms = self._state, self._terms
        found = [each for each in found if not absorbed(each, self._risen(each.cause, now), state.incidents)]
        chosen = choose(found, terms)
        if chosen is None:
            return []
        finding = chosen.finding
        since = self._since(finding, now)
        edit = self._edit_of(finding.cause)
        if edit is not None:
            since = edit.ts
            exact = next((each for each in found if each.cause == finding.cause and each.detail == EDITED), finding)
            chosen = replace(chosen, finding=replace(finding, before=exact.before, after=exact.after))
        direction = Direction.UP if finding.usd > 0 else Direction.DOWN
        state.number += 1
        per_day = finding.impact * self._expected.nano_a_day
        elapsed = max(now - since, float(terms.bucket_s))
        incident = Incident(
            number=state.number,
            cause=finding.cause,
            since=since,
            fired=now,
            severity=severity_of(finding, terms),
            direction=direction,
            impact=abs(finding.impact),
            window_s=finding.window_s,
            nano_usd=per_day * elapsed / DAY_S,
            nano_usd_per_day=per_day,
            detail=self._detail(finding),
            edit=edit,
            last_impact=finding.impact,
        )
        state.incidents.append(incident)
        return [self._say(incident, Status.FIRING, now, chosen)]

    def _risen(self, cause: Cause, now: float) -> float:
        held = self._state.rising.get((cause.channel.value, cause.dimension, cause.value))
        return held[0] if held else now

    def _edit_of(self, cause: Cause) -> Edit | None:
        if cause.channel is not Channel.CHOICE or cause.value not in self._state.watches.edits:
            return None
        return self._state.watches.edits[cause.value][0]

    def _detail(self, finding: Finding) -> str:
        if finding.cause.channel is not Channel.CHOICE:
            return finding.detail
        gains = {model: sums[1] for (rule, model), sums in self._state.gains.items() if rule == finding.cause.value}
        return max(gains, key=gains.__getitem__) if gains else ""

    def _since(self, finding: Finding, now: float) -> float:
        """Estimate since when, by how far the fading sums have filled."""
        if finding.window_s not in SCALES_S:
            return now - finding.window_s
        scale = SCALES_S.index(int(finding.window_s))
        recent = impact_of(self._state, finding.cause, max(0, scale - 1), self._expected)
        age = age_s(finding.window_s, abs(finding.impact), abs(recent or 0.0))
        bucket_s = self._terms.bucket_s
        return max(now - max(age, bucket_s), float(self._state.first * bucket_s)) // bucket_s * bucket_s

    def _resolve(self, bucket: int, now: float, slot: Slot) -> list[Notice]:
        """Count what incidents cost, and end those that are over."""
        state = self._state
        notices = []
        for incident in list(state.incidents):
            impact = incident.last_impact
            incident.nano_usd += slot.spend * impact / (1 + max(impact, -0.9))
            over = is_over(incident, state, self._expected, self._terms, slot, bucket)
            if over:
                doubt_ended(state, incident, now)
                notices.append(self._end(incident, now, "it is over"))
            elif impact >= self._terms.critical_impact and incident.severity is Severity.WARNING:
                incident.severity = Severity.CRITICAL
                notices.append(self._say(incident, Status.ESCALATED, now, None))
        return notices

    def _end(self, incident: Incident, now: float, reason: str) -> Notice:
        self._state.incidents.remove(incident)
        self._state.watches.edits.pop(incident.cause.value, None)
        notice = self._say(incident, Status.RESOLVED, now, None, reason)
        settle(self._state, now)
        return notice

    def _say(self, incident: Incident, status: Status, now: float, chosen: Chosen | None, reason: str = "") -> Notice:
        return told(
            Told(incident, status, now, chosen.finding if chosen else None, reason),
            chosen.suspects if chosen else (),
            self._state.totals,
            self._terms,
        )
