"""Which format makes the messages of which kind of receiver."""

from collections.abc import Mapping
from typing import Protocol

from gateway.domain.alert import Alert, ReceiverKind
from gateway.domain.delivery import Post, Sending
from gateway.receivers import alertmanager, discord, generic, pagerduty, slack, teams


class Format(Protocol):
    """Makes the request that brings an alert to a receiver."""

    def __call__(self, alert: Alert, sending: Sending) -> Post:
        """Give the request of one attempt; the next attempt needs a new one."""
        ...


FORMATS: Mapping[ReceiverKind, Format] = {
    ReceiverKind.GENERIC: generic.post,
    ReceiverKind.SLACK: slack.post,
    ReceiverKind.TEAMS: teams.post,
    ReceiverKind.DISCORD: discord.post,
    ReceiverKind.PAGERDUTY: pagerduty.post,
    ReceiverKind.ALERTMANAGER_API: alertmanager.post_to_api,
    ReceiverKind.ALERTMANAGER_WEBHOOK: alertmanager.post_as_webhook,
}


def post_for(alert: Alert, sending: Sending) -> Post:
    """Give the request in the format of the receiver. Raises ValueError for a signing secret that is none."""
    return FORMATS[sending.receiver.kind](alert, sending)
