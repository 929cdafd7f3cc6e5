"""One sentence for a shift: what moved, since when, from what to what, and what it costs."""

from datetime import UTC, datetime

from gateway.domain.shift import Channel, Direction, Finding, Notice, Status
from gateway.engine.shifts.terms import DAY_S

DAYS_A_MONTH = 30
ENDED = {"it is over": "is over", "it is the new normal": "is taken for normal"}

WASTED = {Channel.HEDGES: "hedges that lost", Channel.RETRIES: "attempts that failed"}


def sentence_of(notice: Notice) -> str:
    """Say it."""
    since = datetime.fromtimestamp(notice.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if notice.status is not Status.FIRING:
        return _goes_on(notice, since)
    moved = _moved(notice.finding)
    edited = ""
    if notice.edit is not None:
        place = f" ({notice.edit.place})" if notice.edit.place else ""
        generation = f" in generation {notice.edit.generation}" if notice.edit.generation else ""
        edited = f", which was edited{place}{generation}"
    more = "more" if notice.direction is Direction.UP else "less"
    day = dollars(abs(notice.nano_usd_per_day))
    month = dollars(abs(notice.nano_usd_per_day) * DAYS_A_MONTH)
    so_far = dollars(abs(notice.nano_usd))
    return f"{moved}{edited}, since about {since}: {so_far} {more} so far, {day} a day, {month} a month."


def _goes_on(notice: Notice, since: str) -> str:
    """Say what became of a shift that was told, which has no figures of its own any more."""
    cause, more = notice.cause, "more" if notice.direction is Direction.UP else "less"
    about = f"{dollars(abs(notice.nano_usd))} {more} since about {since}"
    name = f"the shift of {cause.dimension} '{cause.value}' ({cause.channel.value.replace('_', ' ')})"
    if notice.status is Status.RESOLVED:
        return f"{name[0].upper()}{name[1:]} {ENDED.get(notice.reason, notice.reason)}: {about}."
    return f"{name[0].upper()}{name[1:]} has grown: {about}, {dollars(abs(notice.nano_usd_per_day))} a day."


def _moved(finding: Finding) -> str:
    cause, before, after = finding.cause, finding.before, finding.after
    name = f"{cause.dimension} '{cause.value}'"
    match cause.channel:
        case Channel.VOLUME:
            hours = 2 * finding.window_s / 3600
            return f"{name} asks {after / hours:,.0f} times an hour instead of {before / hours:,.0f}"
        case Channel.CATEGORY | Channel.RULE:
            times = after / before if before > 0 else 0.0
            return f"{name} has {times:.1f} times its usual share of calls" if times else f"{name} has its first calls"
        case Channel.CHOICE if finding.usd < 0:
            return f"{after:.0%} more of the calls of {name} go to a cheaper model"
        case Channel.CHOICE:
            towards = f"'{finding.detail}'" if finding.detail else "a dearer model"
            return f"{after:.0%} more of the calls of {name} go to {towards}"
        case Channel.FALLBACK:
            return f"{after:.0%} of the calls for model '{finding.detail}' fall back, most of the money to {name}"
        case Channel.HEDGES | Channel.RETRIES:
            wasted = WASTED[cause.channel]
            return f"{after:.0%} of what {name} spends is for {wasted}, where {before:.0%} is usual"
        case Channel.PRICE:
            return f"{name} costs {after:.2f} times its price"
        case Channel.CACHE:
            return f"{name} has {before:.0%} of its prompt tokens less from caches"
        case Channel.TOKENS_IN:
            return f"{name} has prompts of {after:.2f} times the usual tokens"
        case Channel.TOKENS_OUT:
            return f"{name} has answers of {after:.2f} times the usual tokens"
        case Channel.TOKENS:
            return f"{name} has {after:.2f} times the usual tokens in prompts and answers"


def dollars(nano: float) -> str:
    """Write an amount of nano-dollars for people."""
    usd = nano / 1e9
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"


def per_day(nano: float, seconds: float) -> float:
    """Give what an amount in some seconds comes to in a day."""
    return nano * DAY_S / seconds if seconds > 0 else 0.0
