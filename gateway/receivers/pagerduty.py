"""PagerDuty's Events API v2: trigger and resolve by one key.

Source: https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json; the limits that it does
not state are those of Alertmanager's notifier.
"""

from urllib.parse import urlsplit, urlunsplit

from gateway.domain.alert import Alert, Phase
from gateway.domain.delivery import Post, Sending
from gateway.receivers.text import cut, encode, entries_within, fitting, json_octets, line, octets, rfc3339
from gateway.receivers.wording import facts_of, links_of, scope_of, story, title

PATH = "/v2/enqueue"
URL = f"https://events.pagerduty.com{PATH}"
EVENT_MAX = 512_000
"""Bytes."""
SUMMARY_MAX = 1_024
CLIENT = "rulegate"


def post(alert: Alert, sending: Sending) -> Post:
    """Give the request; it is the same at any time.

    The key is the incident's id. A key made of the alert and its scope would let a late resolve of an incident close
    the next one.
    """
    event: dict[str, object] = {
        "routing_key": sending.address.routing_key,
        "event_action": "resolve" if alert.phase is Phase.RESOLVED else "trigger",
        "dedup_key": alert.incident_id,
    }
    if alert.phase is not Phase.RESOLVED:
        links = links_of(alert)
        event["payload"] = _payload(alert)
        event["links"] = [{"href": link.href, "text": cut(link.text, 200)} for link in links]
        event["client"] = CLIENT
        if links:
            event["client_url"] = links[0].href
    return Post(endpoint(sending.address.url), {"content-type": "application/json"}, encode(event))


def endpoint(url: str) -> str:
    """Give where events go: PagerDuty's own address, another region's host, or the URL that is written out."""
    parts = urlsplit(url)
    if not url:
        return URL
    return url if parts.path.strip("/") else urlunsplit(parts._replace(path=PATH))


def _payload(alert: Alert) -> dict[str, object]:
    return {
        "summary": cut(title(alert), SUMMARY_MAX),
        "source": CLIENT,
        "severity": alert.severity.value,
        "timestamp": rfc3339(alert.at),
        "component": cut(scope_of(alert) or line(alert.alert), SUMMARY_MAX),
        "group": cut(line(alert.alert), SUMMARY_MAX),
        "class": alert.kind.value,
        "custom_details": _details(alert),
    }


def _details(alert: Alert) -> dict[str, object]:
    """Give the facts by label, the story and the values; all of them leave the event within its size."""
    details: dict[str, object] = {}
    facts = [(cut(fact.label, 200), cut(fact.value, 10_000)) for fact in facts_of(alert)]
    for label, value in fitting(facts, 100_000, json_octets):
        details[label] = f"{details[label]}\n{value}" if label in details else value
    return {
        **details,
        "description": cut(story(alert), 20_000, size=octets),
        "incident_id": alert.incident_id,
        "sample": alert.sample,
        "values": entries_within(alert.data, 300_000),
    }
