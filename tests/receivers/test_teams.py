"""What messages to Teams promise: one card within the size of a message, no link that nobody meant."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from gateway.domain.alert import Alert, Fact, ReceiverKind
from gateway.receivers.teams import BODY_MAX, post
from tests.fakes.alerts import ESCALATED, FIRING, HUGE, RESOLVED, SAMPLE, alerts, sending


def card_of(alert: Alert) -> Any:  # noqa: ANN401 - decoded JSON
    body = json.loads(post(alert, sending(ReceiverKind.TEAMS)).body)
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    return attachment["content"]


def texts_of(card: Any) -> list[str]:  # noqa: ANN401 - decoded JSON
    facts = [part for block in card["body"] for fact in block.get("facts", []) for part in fact.values()]
    return [block["text"] for block in card["body"] if "text" in block] + facts


def assert_within_limits(alert: Alert) -> None:
    assert len(post(alert, sending(ReceiverKind.TEAMS)).body) <= BODY_MAX
    assert all(texts_of(card_of(alert)))


@given(alerts())
def test_any_alert_is_within_the_size_of_a_message(alert: Alert) -> None:
    assert_within_limits(alert)


@pytest.mark.parametrize("alert", HUGE.values(), ids=map(ascii, HUGE))
def test_the_largest_alert_is_within_it(alert: Alert) -> None:
    assert_within_limits(alert)


@given(alerts())
def test_no_text_is_a_link_or_a_macro(alert: Alert) -> None:
    assert not [text for text in texts_of(card_of(alert)) if re.search(r"\]\(|\{\{", text)]


def test_a_link_in_a_name_is_only_text() -> None:
    card = card_of(replace(FIRING, facts=(Fact("Rule", "[r](https://evil.example) {{DATE(x)}}"),)))
    assert card["body"][-1]["facts"][0]["value"] == "[r]\u200b(https://evil.example) {\u200b{\u200bDATE(x)}}"


def test_the_colour_is_the_severitys_and_green_at_the_end() -> None:
    assert [card_of(alert)["body"][0]["color"] for alert in (FIRING, ESCALATED, RESOLVED)] == [
        "warning",
        "attention",
        "good",
    ]


def test_a_test_is_marked() -> None:
    title, told, _ = card_of(SAMPLE)["body"]
    assert title["text"].startswith("TEST:")
    assert "Nothing is wrong" in told["text"]


def test_a_message_without_a_story_has_no_empty_block() -> None:
    assert [block["type"] for block in card_of(replace(FIRING, description=" "))["body"]] == ["TextBlock", "FactSet"]
