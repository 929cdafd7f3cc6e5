"""Discord's webhooks: a line of content, which notifications show, and one embed.

Limits: https://docs.discord.com/developers/resources/message#embed-object-embed-limits. What is resolved comes as a
second message.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway.domain.alert import Alert, Phase, Severity
from gateway.domain.delivery import Post, Sending
from gateway.receivers.text import cut, encode, fitting, line, rfc3339, units
from gateway.receivers.wording import facts_of, links_of, story, title

CONTENT_MAX = 2_000
TITLE_MAX = 256
DESCRIPTION_MAX = 2_400
"""Less than the 4096 that are allowed: the whole embed has 6000, and the facts are worth more than the story."""
EMBED_MAX = 6_000
FIELDS_MAX = 25
NAME_MAX = 256
VALUE_MAX = 1_024
INLINE_MAX = 40
"""Up to three short fields stand side by side."""
COLORS = {Severity.INFO: 0x3498DB, Severity.WARNING: 0xE67E22, Severity.CRITICAL: 0x992D22}
GREEN = 0x2ECC71
_ESCAPES = str.maketrans({mark: f"\\{mark}" for mark in "\\*_~`|[]<>#"})


def post(alert: Alert, sending: Sending) -> Post:
    """Give the request; it is the same at any time."""
    heading = cut(f"{alert.severity} · {line(alert.alert)}", TITLE_MAX, escape)
    told = cut(story(alert), DESCRIPTION_MAX, escape)
    footer = f"rulegate · incident {alert.incident_id}"
    embed = {
        "title": heading,
        "description": told,
        "color": GREEN if alert.phase is Phase.RESOLVED else COLORS[alert.severity],
        "timestamp": rfc3339(alert.at),
        "fields": _fields(alert, EMBED_MAX - units(heading) - units(told) - units(footer)),
        "footer": {"text": footer},
    }
    body = {"content": cut(title(alert), CONTENT_MAX, escape), "embeds": [embed], "allowed_mentions": {"parse": []}}
    return Post(waiting(sending.address.url), {"content-type": "application/json"}, encode(body))


def escape(text: str) -> str:
    """Give a text in which Discord sees no formatting, no mention and no link."""
    return text.translate(_ESCAPES)


def waiting(url: str) -> str:
    """Give the URL that answers when the message is kept; without `wait` a message that is lost is a success too."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "wait"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("wait", "true")])))


def _fields(alert: Alert, room: int) -> list[dict[str, object]]:
    shown = [(cut(fact.label, NAME_MAX, escape), cut(fact.value, VALUE_MAX, escape)) for fact in facts_of(alert)]
    pages = [f"[{cut(link.text, 80, escape)}]({_enclosed(link.href)})" for link in links_of(alert)]
    if pages := fitting(pages, min(VALUE_MAX, room), lambda page: units(page) + 1):
        links = ("Links", "\n".join(pages))
        room -= sum(map(units, links))
        shown = [*shown[: FIELDS_MAX - 1], links]
        kept = [*fitting(shown[:-1], room, _size), links]
    else:
        kept = fitting(shown[:FIELDS_MAX], room, _size)
    return [{"name": name, "value": value, "inline": units(value) <= INLINE_MAX} for name, value in kept]


def _size(field: tuple[str, str]) -> int:
    return units(field[0]) + units(field[1])


def _enclosed(href: str) -> str:
    return href.replace("(", "%28").replace(")", "%29")
