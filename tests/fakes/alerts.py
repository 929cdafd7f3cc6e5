"""Alerts for tests: one incident through its phases, and any alerts at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from gateway.domain.alert import Alert, AlertKind, Fact, Link, Phase, Receiver, ReceiverKind, Severity
from gateway.domain.delivery import Address, Sending
from gateway.receivers.text import line

STARTED = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 14, 20, 0, 250_000, tzinfo=UTC)
INCIDENT = "019ab2c4-6f00-7a11-9d3e-5b8c0f1e2d3c"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_" + "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQh"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"

FIRING = Alert(
    incident_id=INCIDENT,
    alert="spend-shift",
    kind=AlertKind.SPEND_SHIFT,
    phase=Phase.FIRING,
    severity=Severity.WARNING,
    scope={"rule": "r-code"},
    summary="Spend +$312/day (x2.4) since 14:05 - rule r-code now sends 62 % to opus (was 3 %)",
    description="The shift began a minute after the rules were edited.\nRequests and tokens per call did not change.",
    facts=(
        Fact("Cause", "rules edited: 12-3f9a1c by dana & lee"),
        Fact("Excess so far", "$3.40, $312 a day, $9,360 a month (187 % of budget <growth>)"),
        Fact("Share of opus", "3 % -> 62 %"),
    ),
    data={"excess_nano_usd": 3_400_000_000, "ratio": 2.4, "share": {"opus": [0.03, 0.62]}, "generation": 12},
    links=(
        Link("Dashboard", "https://gateway.example/#spend"),
        Link("Rule r-code", "https://gateway.example/rules?name=r-code&line=12"),
    ),
    started_at=STARTED,
    at=STARTED + timedelta(minutes=14),
)
ESCALATED = replace(
    FIRING,
    phase=Phase.ESCALATED,
    severity=Severity.CRITICAL,
    raised_from=Severity.WARNING,
    at=STARTED + timedelta(minutes=14, seconds=30),
)
RESOLVED = replace(
    ESCALATED,
    phase=Phase.RESOLVED,
    summary="Spend is back to $222/day; $41.20 more than expected in all",
    at=STARTED + timedelta(hours=2),
    ended_at=STARTED + timedelta(hours=1, minutes=30),
    delayed_by_s=6_361,
)
"""Nobody was told before: it comes a second after its time, and stands for what was to be said at 14:19."""
MESSAGES = {"firing": FIRING, "escalated": ESCALATED, "resolved": RESOLVED}
SAMPLE = replace(FIRING, sample=True)

# Of every part more than any receiver takes, in characters that grow the most when they are escaped or encoded.
HUGE = {
    character: replace(
        RESOLVED if character == "&" else ESCALATED,
        alert=character * 3_000,
        scope={f"label{number}": character * 3_000 for number in range(9)},
        summary=character * 50_000,
        description=f"{character}\n" * 50_000,
        facts=tuple(Fact(character * 3_000, f"{number}{character * 30_000}") for number in range(60)),
        data={f"value{number}": character * 9_000 for number in range(90)},
        links=tuple(Link(character * 3_000, f"https://gateway.example/{'x' * 1_900}{number}") for number in range(9)),
        sample=True,
    )
    for character in ('"', "&", "*", "]", "翻", "\U0001f525")
}
MANY = replace(FIRING, description="x" * 9_000, facts=tuple(Fact(f"fact {number}", "x" * 150) for number in range(60)))

ADDRESSES = {
    ReceiverKind.GENERIC: Address("https://hooks.example/alerts", signing_secrets=(SECRET, OLD_SECRET)),
    ReceiverKind.SLACK: Address("https://hooks.slack.example/services/T0/B0/slack-secret"),
    ReceiverKind.TEAMS: Address("https://prod-1.logic.example:443/workflows/1?sig=teams-secret"),
    ReceiverKind.DISCORD: Address("https://discord.example/api/webhooks/1/discord-secret?thread_id=7"),
    ReceiverKind.PAGERDUTY: Address(routing_key=ROUTING_KEY),
    ReceiverKind.ALERTMANAGER_API: Address("http://alertmanager.example:9093/am/"),
    ReceiverKind.ALERTMANAGER_WEBHOOK: Address("http://bridge.example/alerts"),
}


def sending(kind: ReceiverKind, at: datetime = NOW) -> Sending:
    """Give an attempt to deliver to the receiver of a kind."""
    return Sending(Receiver("ops", kind), ADDRESSES[kind], at)


# -- any alerts

_character = st.sampled_from(
    [*"&<>*_`[](){}\\\"'|~#@-= \n\r\t\x00\x1b", "é", "翻", "\U0001f525", "\ud83d", "\ufeff", "\u2028"]
)
_short = st.text(st.characters() | _character, max_size=30)
# A few pieces repeated reach every limit; hypothesis would not draw texts as long as that.
texts = _short | st.builds(
    lambda text, times: text * times, st.text(_character, min_size=1, max_size=6), st.integers(1, 1_200)
)
_scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats() | texts
json_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_short, inner, max_size=4), max_leaves=6
)
hrefs = st.sampled_from(
    [
        "https://gateway.example/#spend",
        "https://gateway.example/a(b)?c=d&e=%20",
        "http://127.0.0.1:8080/" + "x" * 1_900,
        "https://gateway.example/" + "x" * 3_000,
        "javascript:alert(1)",
        "https://gateway.example/a b",
        "https://[",
        "/relative",
        "",
    ]
)
severities = st.sampled_from(Severity)
facts = st.builds(Fact, texts, texts)


phases = st.sampled_from(Phase)
_moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (bounds)


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    """Give any alert, with texts and numbers of facts far beyond what a receiver takes."""
    phase, started_at = draw(phases), draw(_moments)
    over = started_at + timedelta(minutes=draw(st.integers(0, 99_999)))
    return Alert(
        incident_id=draw(st.uuids()).hex,
        alert=draw(texts.filter(line)),
        kind=draw(st.sampled_from(AlertKind)),
        phase=phase,
        severity=draw(severities),
        scope=draw(st.dictionaries(_short, texts, max_size=4)),
        summary=draw(texts),
        started_at=started_at,
        at=over,
        ended_at=over if phase is Phase.RESOLVED else None,
        description=draw(texts),
        facts=tuple(draw(st.lists(facts, max_size=5)) * draw(st.sampled_from([1, 1, 20]))),
        data=draw(st.dictionaries(_short, json_values, max_size=6)),
        links=tuple(draw(st.lists(st.builds(Link, texts, hrefs), max_size=8))),
        raised_from=draw(st.none() | severities),
        reminder=draw(st.integers(0, 3)),
        sample=draw(st.booleans()),
        delayed_by_s=draw(st.integers(0, 10**6)),
    )
