"""The words of a message to people, the same in every chat."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from gateway.domain.alert import Alert, Fact, Link, Phase
from gateway.receivers.text import ELLIPSIS, line, paragraphs, units

TEST = "TEST:"
NOTICE = "This is a test message. Nothing is wrong."
NOTHING = "-"
"""What stands for an empty text, which some receivers refuse."""
FACTS_MAX = 40
LINKS_MAX = 5
HREF_MAX = 2000


def title(alert: Alert) -> str:
    """Give the one line that says what happened, marked when it is a test."""
    said = line(alert.summary) or line(alert.alert)
    if alert.reminder:
        said = f"Still firing: {said}"
    elif alert.phase is Phase.ESCALATED:
        said = f"Escalated to {alert.severity}: {said}" if alert.raised_from else f"Escalated: {said}"
    elif alert.phase is Phase.RESOLVED:
        said = f"Resolved: {said}"
    return f"{TEST} {said}" if alert.sample else said


def story(alert: Alert) -> str:
    """Give the paragraphs below the title, which may be empty."""
    said = paragraphs(alert.description)
    if not alert.sample:
        return said
    return f"{NOTICE}\n{said}" if said else NOTICE


def own_facts(alert: Alert) -> list[Fact]:
    """Give the facts that the alert brings, fit to be shown."""
    shown = [Fact(line(fact.label) or NOTHING, paragraphs(fact.value) or NOTHING) for fact in alert.facts[:FACTS_MAX]]
    if left_out := len(alert.facts) - len(shown):
        shown.append(Fact(ELLIPSIS, f"{left_out} more facts were left out"))
    return shown


def facts_of(alert: Alert) -> list[Fact]:
    """Give the facts, then what every incident has: which alert, how urgent, about what, since when."""
    facts = [*own_facts(alert), Fact("Alert", line(alert.alert))]
    raised = f" (was {alert.raised_from})" if alert.raised_from else ""
    facts.append(Fact("Severity", f"{alert.severity}{raised}"))
    if alert.scope:
        facts.append(Fact("Scope", scope_of(alert)))
    facts.append(Fact("Since", minute(alert.started_at)))
    if alert.ended_at:
        lasted = (alert.ended_at - alert.started_at).total_seconds()
        facts.append(Fact("Until", f"{minute(alert.ended_at)} ({span(lasted)})"))
    if alert.delayed_by_s > 0:
        facts.append(Fact("Delayed", f"this message comes {span(alert.delayed_by_s)} late"))
    return facts


def scope_of(alert: Alert) -> str:
    """Give what the incident is about: `budget=growth`."""
    return ", ".join(f"{line(label)}={line(value)}" for label, value in alert.scope.items())


def links_of(alert: Alert) -> tuple[Link, ...]:
    """Give the links that can be shown: absolute web addresses of a bearable length, which are never cut."""
    usable = [
        Link(line(link.text) or urlsplit(link.href).netloc, link.href)
        for link in alert.links
        if is_web_address(link.href)
    ]
    return tuple(usable[:LINKS_MAX])


def is_web_address(href: str) -> bool:
    """Say whether this is a http or https URL of printable ASCII without blanks, quotes and brackets."""
    if units(href) > HREF_MAX or not href.isascii() or any(char <= " " or char in '\x7f"<>\\^`{|}' for char in href):
        return False
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def minute(moment: datetime) -> str:
    """Give an aware moment for people: `2026-11-23 14:05 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def span(seconds: float) -> str:
    """Give a length of time for people, in its two largest units: `2 h 5 min`."""
    left = max(round(seconds), 0)
    parts: list[tuple[int, str]] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"
