"""What messages to Discord promise: within every limit of an embed, nobody pinged, nothing formatted by accident."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from gateway.domain.alert import Alert, Fact, Link, ReceiverKind
from gateway.receivers.discord import post, waiting
from gateway.receivers.text import units
from tests.fakes.alerts import ESCALATED, FIRING, HUGE, MANY, RESOLVED, SAMPLE, alerts, sending

LINK = re.compile(r"\[(?:[^\[\]\\]|\\.)*\]\(https?://[^\s()]+\)")
ESCAPE = re.compile(r"\\[\\*_~`|\[\]<>#]")


def body_of(alert: Alert) -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(post(alert, sending(ReceiverKind.DISCORD)).body)


def assert_within_limits(alert: Alert) -> None:
    body = body_of(alert)
    (embed,) = body["embeds"]
    fields = embed["fields"]
    assert 1 <= units(body["content"]) <= 2_000
    assert 1 <= units(embed["title"]) <= 256
    assert units(embed["description"]) <= 4_096
    assert len(fields) <= 25
    assert all(1 <= units(field["name"]) <= 256 and 1 <= units(field["value"]) <= 1_024 for field in fields)
    texts = [embed["title"], embed["description"], embed["footer"]["text"]]
    assert sum(map(units, [*texts, *(field[part] for field in fields for part in ("name", "value"))])) <= 6_000


@given(alerts())
def test_any_alert_is_within_the_limits_of_an_embed(alert: Alert) -> None:
    assert_within_limits(alert)


@pytest.mark.parametrize(
    "alert", [*HUGE.values(), MANY, replace(MANY, links=()), replace(FIRING, facts=FIRING.facts * 20, links=())]
)
def test_the_largest_alerts_are_within_them(alert: Alert) -> None:
    assert_within_limits(alert)


@given(alerts())
def test_nobody_is_pinged_and_nothing_is_formatted(alert: Alert) -> None:
    body = body_of(alert)
    (embed,) = body["embeds"]
    assert body["allowed_mentions"] == {"parse": []}
    facts = [part for field in embed["fields"] if field["name"] != "Links" for part in (field["name"], field["value"])]
    for text in (body["content"], embed["title"], embed["description"], *facts):
        assert not re.search(r"[\\*_~`|\[\]<>#]", ESCAPE.sub("", text))


@given(alerts())
def test_links_are_whole_or_not_there(alert: Alert) -> None:
    pages = [field["value"] for field in body_of(alert)["embeds"][0]["fields"] if field["name"] == "Links"]
    assert all(LINK.fullmatch(page) for value in pages for page in value.splitlines())


def test_a_link_is_shown_beside_more_facts_than_there_is_room_for() -> None:
    many = tuple(Fact(f"fact {number}", "x") for number in range(40))
    fields = body_of(replace(FIRING, facts=many, links=(Link("A [b]", "https://a.example/(c)"),)))["embeds"][0][
        "fields"
    ]
    assert len(fields) == 25
    assert fields[-1]["value"] == r"[A \[b\]](https://a.example/%28c%29)"


def test_the_colour_is_the_severitys_and_green_at_the_end() -> None:
    colors = [body_of(alert)["embeds"][0]["color"] for alert in (FIRING, ESCALATED, RESOLVED)]
    assert colors == [0xE67E22, 10_038_562, 0x2ECC71]


URLS = [
    ("https://discord.example/w", "https://discord.example/w?wait=true"),
    ("https://discord.example/w?thread_id=7", "https://discord.example/w?thread_id=7&wait=true"),
    ("https://discord.example/w?wait=false&thread_id=7", "https://discord.example/w?thread_id=7&wait=true"),
]


@pytest.mark.parametrize(("url", "asked"), URLS)
def test_the_answer_waits_until_the_message_is_kept(url: str, asked: str) -> None:
    assert waiting(url) == asked


def test_a_test_is_marked() -> None:
    body = body_of(SAMPLE)
    assert body["content"].startswith("TEST:")
    assert "Nothing is wrong" in body["embeds"][0]["description"]
