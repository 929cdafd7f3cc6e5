"""Microsoft Teams by a workflow of Power Automate: a message with one adaptive card.

The older connectors and their MessageCard are retired. Format:
https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using. A workflow
cannot edit what it sent, so that what is resolved comes as a second message.
"""

from gateway.domain.alert import Alert, Phase, Severity
from gateway.domain.delivery import Post, Sending
from gateway.receivers.text import cut, encode, fitting, json_octets, octets
from gateway.receivers.wording import facts_of, links_of, story, title

BODY_MAX = 28_000
"""Bytes. The parts below, with what is around them, stay within it."""
_TITLE_BYTES = 1_000
_STORY_BYTES = 6_000
_FACTS_BYTES = 14_000
_LINKS_BYTES = 5_000
_COLORS = {Severity.INFO: "accent", Severity.WARNING: "warning", Severity.CRITICAL: "attention"}
_BREAK = "\u200b"
# A break that nobody sees ends what would be a link, `[text](url)`, or a macro of the card, `{{DATE(..)}}`: not every
# client of Teams knows a backslash for an escape. A single line end is not shown.
_ESCAPES = str.maketrans({"]": f"]{_BREAK}", "{": f"{{{_BREAK}", "\n": "\n\n"})


def post(alert: Alert, sending: Sending) -> Post:
    """Give the request; it is the same at any time."""
    color = "good" if alert.phase is Phase.RESOLVED else _COLORS[alert.severity]
    heading = cut(title(alert), _TITLE_BYTES, escape, octets)
    body: list[dict[str, object]] = [
        {"type": "TextBlock", "text": heading, "weight": "Bolder", "size": "Medium", "color": color, "wrap": True}
    ]
    if told := cut(story(alert), _STORY_BYTES, escape, octets):
        body.append({"type": "TextBlock", "text": told, "wrap": True})
    facts = [
        {"title": cut(fact.label, 200, escape, octets), "value": cut(fact.value, 1_500, escape, octets)}
        for fact in facts_of(alert)
    ]
    body.append({"type": "FactSet", "facts": fitting(facts, _FACTS_BYTES, json_octets)})
    links = [
        {"type": "Action.OpenUrl", "title": cut(link.text, 100, size=octets), "url": link.href}
        for link in links_of(alert)
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": fitting(links, _LINKS_BYTES, json_octets),
        "msteams": {"width": "full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    message = {"type": "message", "attachments": [attachment]}
    return Post(sending.address.url, {"content-type": "application/json"}, encode(message))


def escape(text: str) -> str:
    """Give a text in which Teams sees no link and no macro."""
    return text.translate(_ESCAPES)
