"""The generic webhook: JSON in the shape, and with the signature, of Standard Webhooks 1.0.0.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from gateway.domain.alert import Alert
from gateway.domain.delivery import Post, Sending
from gateway.receivers.text import cut, encode, entries_within, fitting, json_octets, line, octets, paragraphs, rfc3339
from gateway.receivers.wording import FACTS_MAX, TEST, links_of

BODY_MAX = 20_000
"""Bytes; the spec asks for less than 20 kB."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_BYTES = range(24, 65)


def post(alert: Alert, sending: Sending) -> Post:
    """Give the request of one attempt, signed anew. Raises ValueError for a signing secret that is none."""
    body = encode(_body(alert))
    message, seconds = alert.message_id, int(sending.at.timestamp())
    headers = {"content-type": "application/json", "webhook-id": message, "webhook-timestamp": str(seconds)}
    if sending.address.signing_secrets:
        headers["webhook-signature"] = signature(sending.address.signing_secrets, message, seconds, body)
    return Post(sending.address.url, headers, body)


def signature(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Sign with each of the secrets: a receiver that knows any one of them can verify. Raises ValueError."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    digests = [hmac.digest(signing_key(secret), signed, hashlib.sha256) for secret in secrets]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def signing_key(secret: str) -> bytes:
    """Give the key within a secret: `whsec_` and the base64 of 24 to 64 bytes. Raises ValueError, without the secret.

    The padding may be missing, as the spec's own libraries allow it.
    """
    encoded = secret.strip().removeprefix(SECRET_PREFIX).rstrip("=")
    if not secret.strip().startswith(SECRET_PREFIX):
        raise ValueError(f"a signing secret begins with '{SECRET_PREFIX}'")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _SECRET_BYTES:
        raise ValueError(f"a signing secret is '{SECRET_PREFIX}' and the base64 of 24 to 64 random bytes")
    return key


def event_type(alert: Alert) -> str:
    """Give the type of the event: `spend.shift.firing`."""
    return f"{alert.kind.value.replace('_', '.')}.{alert.phase.value}"


def _body(alert: Alert) -> dict[str, object]:
    """Build the body. The values come last, as they take what room the rest leaves."""
    scope = entries_within(alert.scope, 1_500)
    shown = [
        {"label": cut(line(fact.label), 100, size=octets), "value": cut(paragraphs(fact.value), 800, size=octets)}
        for fact in alert.facts[:FACTS_MAX]
    ]
    facts = fitting(shown, 5_000, json_octets)
    links = [{"text": cut(link.text, 100, size=octets), "href": link.href} for link in links_of(alert)]
    summary = line(alert.summary)
    data: dict[str, object] = {
        "incident_id": alert.incident_id,
        "alert": cut(line(alert.alert), 200, size=octets),
        "kind": alert.kind.value,
        "phase": alert.phase.value,
        "severity": alert.severity.value,
        "raised_from": alert.raised_from.value if alert.raised_from else None,
        "scope": scope,
        "summary": cut(f"{TEST} {summary}" if alert.sample else summary, 1_000, size=octets),
        "description": cut(paragraphs(alert.description), 4_000, size=octets),
        "facts": facts,
        "links": fitting(links, 3_000, json_octets),
        "started_at": rfc3339(alert.started_at),
        "ended_at": rfc3339(alert.ended_at) if alert.ended_at else None,
        "reminder": alert.reminder,
        "sample": alert.sample,
        "delayed_by_s": alert.delayed_by_s,
        "values": {},
        "truncated": False,
    }
    body: dict[str, object] = {"type": event_type(alert), "timestamp": rfc3339(alert.at), "data": data}
    values = entries_within(alert.data, BODY_MAX - len(encode(body)))
    data["values"] = values
    data["truncated"] = (len(scope), len(facts), len(values)) != (len(alert.scope), len(alert.facts), len(alert.data))
    return body
