"""Prometheus Alertmanager, from both sides: handing alerts to one, and looking like one to whom it would notify.

Sources: https://prometheus.io/docs/alerting/latest/clients/, .../configuration/#webhook_config, and the OpenAPI file of
its API v2. Labels are the identity: an alert with one other label is another alert. The severity is one of them, as
routes go by it; so an escalation ends the alert with the severity before, and fires one with the severity after.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from gateway.domain.alert import Alert, Phase, Severity
from gateway.domain.delivery import Post, Sending
from gateway.receivers.text import cut, encode, line, rfc3339
from gateway.receivers.wording import TEST, links_of, own_facts, story

PATH = "/api/v2/alerts"
HORIZON_S = 300.0
"""How long a firing alert lives without being sent again; Alertmanager's own default of `resolve_timeout`."""
RESEND_AFTER_S = 60.0
RESOLVED_FOR_S = 300.0
"""How long an end is sent again: an Alertmanager that started in between must hear of it."""
NEVER = "0001-01-01T00:00:00Z"
"""How Go writes a time that is not set."""
VALUE_MAX = 1_000
_NAME = re.compile(r"[^a-zA-Z0-9_]")
_OWN_LABELS = frozenset({"alertname", "kind", "severity", "sample"})
_FNV_OFFSET, _FNV_PRIME = 14_695_981_039_346_656_037, 1_099_511_628_211

Entry = dict[str, object]


def post_to_api(alert: Alert, sending: Sending) -> Post:
    """Give the request that hands an alert over, to be sent again as long as `resend_after_s` says."""
    age_s = (sending.at - alert.at).total_seconds()
    resolved = alert.phase is Phase.RESOLVED
    instances = _instances(alert) if resolved or age_s <= RESOLVED_FOR_S else _instances(alert)[:1]
    horizon = rfc3339(sending.at + timedelta(seconds=HORIZON_S))
    entries = [_entry(alert, labels, rfc3339(ended_at) if ended_at else horizon) for labels, ended_at in instances]
    again = not resolved or age_s + RESEND_AFTER_S <= RESOLVED_FOR_S
    headers = {"content-type": "application/json"}
    return Post(endpoint(sending.address.url), headers, encode(entries), RESEND_AFTER_S if again else None)


def post_as_webhook(alert: Alert, sending: Sending) -> Post:
    """Give the request that an Alertmanager would send for a group of this one alert; it is the same at any time."""
    instances = _instances(alert)
    group = _labels(alert)
    alerts = [
        {
            "status": "resolved" if ended_at else "firing",
            **_entry(alert, labels, rfc3339(ended_at) if ended_at else NEVER),
            "fingerprint": fingerprint(labels),
        }
        for labels, ended_at in instances
    ]
    body = {
        "version": "4",
        "groupKey": f"{{}}:{{{', '.join(f'{name}={_quoted(value)}' for name, value in sorted(group.items()))}}}",
        "truncatedAlerts": 0,
        "status": "resolved" if alert.phase is Phase.RESOLVED else "firing",
        "receiver": sending.receiver.name,
        "groupLabels": group,
        "commonLabels": _labels(alert, alert.severity) if len(instances) == 1 else group,
        "commonAnnotations": _annotations(alert),
        "externalURL": _page(alert),
        "alerts": alerts,
    }
    return Post(sending.address.url, {"content-type": "application/json"}, encode(body))


def endpoint(url: str) -> str:
    """Give where an Alertmanager takes alerts, from its base URL, whatever path it is served under."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/').removesuffix(PATH)}{PATH}"))


def fingerprint(labels: Mapping[str, str]) -> str:
    """Give the name of a label set as Prometheus computes it: FNV-1a, 64 bits, over the sorted labels."""
    digest = _FNV_OFFSET
    for name, value in sorted(labels.items()):
        for byte in name.encode() + b"\xff" + value.encode() + b"\xff":
            digest = (digest ^ byte) * _FNV_PRIME % 2**64
    return f"{digest:016x}"


def _instances(alert: Alert) -> list[tuple[dict[str, str], datetime | None]]:
    """Give the label sets that a message speaks of, the present one first, and when each ended."""
    instances = [(_labels(alert, alert.severity), alert.ended_at)]
    if alert.raised_from:
        instances.append((_labels(alert, alert.raised_from), alert.ended_at or alert.at))
    return instances


def _labels(alert: Alert, severity: Severity | None = None) -> dict[str, str]:
    """Give the identity; an empty value means to Alertmanager that there is no such label."""
    labels = {"alertname": cut(line(alert.alert), VALUE_MAX), "kind": alert.kind.value}
    for name, value in alert.scope.items():
        if valued := cut(line(value), VALUE_MAX):
            labels[label_name(name)] = valued
    if severity:
        labels["severity"] = severity.value
    if alert.sample:
        labels["sample"] = "true"
    return labels


def label_name(name: str) -> str:
    """Give a name that every version of Alertmanager accepts, and that none of our own labels has."""
    safe = _NAME.sub("_", name)
    return f"scope_{safe}" if not safe or safe[0].isdigit() or safe in _OWN_LABELS else safe


def _entry(alert: Alert, labels: dict[str, str], ends_at: str) -> Entry:
    return {
        "labels": labels,
        "annotations": _annotations(alert),
        "startsAt": rfc3339(alert.started_at),
        "endsAt": ends_at,
        "generatorURL": _page(alert),
    }


def _annotations(alert: Alert) -> dict[str, str]:
    summary = line(alert.summary)
    told = [story(alert)] if story(alert) else []
    told.extend(f"{fact.label}: {fact.value}" for fact in own_facts(alert))
    return {
        "summary": cut(f"{TEST} {summary}" if alert.sample else summary, VALUE_MAX),
        "description": cut("\n".join(told), 8 * VALUE_MAX),
        "incident_id": alert.incident_id,
    }


def _page(alert: Alert) -> str:
    links = links_of(alert)
    return links[0].href if links else ""


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
