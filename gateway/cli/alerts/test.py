"""`rulegate alerts test`: a marked sample, sent as an alert would be."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.adapters.clock import SystemClock
from gateway.adapters.webhook import Webhooks
from gateway.app import VERSION
from gateway.cli.rules import RULES_OPTION, snapshot_or_exit
from gateway.config import secrets
from gateway.domain.alert import Alert, AlertKind, Fact, Phase, Severity
from gateway.domain.alerting import AlertRule, Destination
from gateway.domain.delivery import NoAnswer, Response, Sending
from gateway.domain.snapshot import Snapshot
from gateway.engine.deliveries import Done, verdict
from gateway.receivers.formats import post_for
from gateway.web.ids import new_id
from gateway.wiring.rules import unusable


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a sample: `status` 0 where none came, `words` why it failed, empty where it did not."""

    receiver: str
    kind: str
    status: int
    words: str


@click.command("test", short_help="Send a marked sample to receivers.")
@click.option("--receiver", "only", multiple=True, help="Only this receiver; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@RULES_OPTION
def command(rules: Path | None, only: tuple[str, ...], *, as_json: bool) -> None:
    """Send a sample to each receiver of the rules, as an alert would be sent, and say what each answered.

    The sample is marked as a test. The secrets of the receivers are needed, and no running gateway. Exits with 1 when
    one of them did not take it.
    """
    snapshot, _ = snapshot_or_exit(rules)
    chosen = _chosen(snapshot, only)
    outcomes = asyncio.run(_send(snapshot, chosen))
    if as_json:
        fields = ("receiver", "kind", "status", "words")
        shown = [{name: getattr(each, name) for name in fields} | {"ok": not each.words} for each in outcomes]
        click.echo(json.dumps({"ok": not any(each.words for each in outcomes), "receivers": shown}, indent=2))
    else:
        for each in outcomes:
            mark = click.style("FAILED", fg="red") if each.words else click.style("ok", fg="green")
            status = f"status {each.status}" if each.status else "no answer"
            click.echo(f"{mark} {each.receiver} ({each.kind}): {each.words or status}")
    if any(each.words for each in outcomes):
        raise click.exceptions.Exit(1)


def _chosen(snapshot: Snapshot, only: tuple[str, ...]) -> Mapping[str, Destination]:
    there = ", ".join(sorted(snapshot.receivers))
    if not there:
        raise click.ClickException("the rules have no receiver: add one under receivers:")
    for name in only:
        if name not in snapshot.receivers:
            raise click.ClickException(f"there is no receiver '{name}'; there is {there}")
    return {name: each for name, each in snapshot.receivers.items() if not only or name in only}


async def _send(snapshot: Snapshot, chosen: Mapping[str, Destination]) -> list[Outcome]:
    webhooks = Webhooks(VERSION)
    try:
        return list(await asyncio.gather(*(_send_to(each, snapshot, webhooks) for each in chosen.values())))
    finally:
        await webhooks.close()


async def _send_to(destination: Destination, snapshot: Snapshot, webhooks: Webhooks) -> Outcome:
    receiver = destination.receiver
    alone = replace(snapshot, providers={}, receivers={receiver.name: destination})
    lacking = secrets.missing(alone, os.environ) or unusable(alone)
    if lacking:
        words = lacking[0].message.removeprefix(f"receiver '{receiver.name}'").lstrip(": ")
        return Outcome(receiver.name, receiver.kind.value, 0, words)
    now = SystemClock().now()
    alert = sample(receiver.name, snapshot.alerts, now)
    sending = Sending(receiver, secrets.address_of(destination, os.environ), now)
    answer = await webhooks.send(receiver, alert, post_for(alert, sending))
    decided = verdict(receiver.kind, answer if isinstance(answer, Response) else None, 1, now, 0.0)
    if isinstance(answer, NoAnswer):
        return Outcome(receiver.name, receiver.kind.value, 0, answer.words)
    words = "" if isinstance(decided, Done) else f"{decided.reason.value}, status {answer.status}"
    return Outcome(receiver.name, receiver.kind.value, answer.status, words)


def sample(receiver: str, alerts: Mapping[str, AlertRule], now: datetime) -> Alert:
    """Give a sample of the first alert that a receiver is told of, or of any where there is none."""
    rule = next((each for each in alerts.values() if receiver in each.notify), None)
    told_of = [each.name for each in alerts.values() if receiver in each.notify]
    return Alert(
        incident_id=new_id(now),
        alert=rule.name if rule else "test",
        kind=rule.kind if rule else AlertKind.THRESHOLD,
        phase=Phase.FIRING,
        severity=(rule.severity if rule else None) or Severity.WARNING,
        scope={"receiver": receiver},
        summary=f"Receiver {receiver} can be told of alerts",
        started_at=now.astimezone(UTC),
        at=now.astimezone(UTC),
        facts=(Fact("Is told of", ", ".join(told_of) or "no alert yet"),),
        sample=True,
    )
