"""Slack's incoming webhooks: a fallback line for notifications, and blocks.

Limits: https://docs.slack.dev/reference/block-kit/blocks; escapes: https://docs.slack.dev/messaging/formatting-message-text.
A webhook cannot edit what it sent, so that what is resolved comes as a second message.
"""

from gateway.domain.alert import Alert
from gateway.domain.delivery import Post, Sending
from gateway.receivers.text import cut, encode
from gateway.receivers.wording import facts_of, links_of, story, title

TEXT_MAX = 3_000
HEADER_MAX = 150
FIELDS_MAX = 10
LABEL_MAX = 200
VALUE_MAX = 1_700
"""With the label and the marks around it within the 2000 of a field."""
BUTTON_MAX = 75
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

Block = dict[str, object]


def post(alert: Alert, sending: Sending) -> Post:
    """Give the request; it is the same at any time."""
    said = title(alert)
    header = cut(said, HEADER_MAX)
    below = [said] if header != said else []
    if told := story(alert):
        below.append(told)
    blocks: list[Block] = [{"type": "header", "text": _plain(header)}]
    if below:
        blocks.append({"type": "section", "text": _mrkdwn(cut("\n".join(below), TEXT_MAX, escape))})
    blocks.extend(_fields(alert))
    if buttons := _buttons(alert):
        blocks.append({"type": "actions", "elements": buttons})
    blocks.append({"type": "context", "elements": [_mrkdwn(f"rulegate · incident {alert.incident_id}")]})
    body = {"text": cut(said, TEXT_MAX, escape), "blocks": blocks}
    return Post(sending.address.url, {"content-type": "application/json"}, encode(body))


def escape(text: str) -> str:
    """Give a text in which Slack sees no mention, no link and no command."""
    return text.translate(_ESCAPES)


def _fields(alert: Alert) -> list[Block]:
    fields = [
        _mrkdwn(f"*{cut(fact.label, LABEL_MAX, escape)}*\n{cut(fact.value, VALUE_MAX, escape)}")
        for fact in facts_of(alert)
    ]
    return [
        {"type": "section", "fields": fields[start : start + FIELDS_MAX]} for start in range(0, len(fields), FIELDS_MAX)
    ]


def _buttons(alert: Alert) -> list[Block]:
    return [
        {"type": "button", "text": _plain(cut(link.text, BUTTON_MAX)), "url": link.href} for link in links_of(alert)
    ]


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}
