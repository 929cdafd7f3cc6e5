"""What messages to Slack promise: within every limit of Block Kit, and no command in what is only text."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from gateway.domain.alert import Alert, Fact, ReceiverKind
from gateway.receivers.slack import post
from gateway.receivers.text import units
from tests.fakes.alerts import FIRING, HUGE, SAMPLE, alerts, sending

ESCAPED = re.compile(r"&(?:amp|lt|gt);")
LIMITS = {"header": 150, "section": 3_000, "field": 2_000, "button": 75, "context": 3_000}


def body_of(alert: Alert) -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(post(alert, sending(ReceiverKind.SLACK)).body)


def parts_of(block: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    match block["type"]:
        case "header":
            return [("header", block["text"])]
        case "section" if "text" in block:
            return [("section", block["text"])]
        case "section":
            assert 1 <= len(block["fields"]) <= 10
            return [("field", field) for field in block["fields"]]
        case "actions":
            assert 1 <= len(block["elements"]) <= 25
            assert all(len(button["url"]) <= 3_000 for button in block["elements"])
            return [("button", button["text"]) for button in block["elements"]]
        case "context":
            return [("context", element) for element in block["elements"]]
        case other:
            raise AssertionError(other)


def assert_within_limits(alert: Alert) -> None:
    body = body_of(alert)
    assert 1 <= len(body["blocks"]) <= 50
    assert 1 <= units(body["text"]) <= 3_000
    for place, text in [part for block in body["blocks"] for part in parts_of(block)]:
        assert 1 <= units(text["text"]) <= LIMITS[place]
        assert text["type"] == ("plain_text" if place in {"header", "button"} else "mrkdwn")


@given(alerts())
def test_any_alert_is_within_the_limits_of_block_kit(alert: Alert) -> None:
    assert_within_limits(alert)


@pytest.mark.parametrize("alert", HUGE.values(), ids=map(ascii, HUGE))
def test_the_largest_alert_is_within_them(alert: Alert) -> None:
    assert_within_limits(alert)


@given(alerts())
def test_nothing_in_a_text_is_a_command_and_no_escape_is_cut(alert: Alert) -> None:
    body = body_of(alert)
    said = [text["text"] for block in body["blocks"] for _, text in parts_of(block) if text["type"] == "mrkdwn"]
    for text in (body["text"], *said):
        assert not re.search("[&<>]", ESCAPED.sub("", text))


def test_a_mention_is_only_text() -> None:
    assert body_of(replace(FIRING, summary="<!channel> a & b"))["text"] == "&lt;!channel&gt; a &amp; b"


def test_a_title_that_is_too_long_for_a_header_stands_below_it_whole() -> None:
    long = "x" * 149 + " & more"
    header, section, *_ = body_of(replace(FIRING, summary=long))["blocks"]
    assert header["text"]["text"] == "x" * 149 + "…"
    assert section["text"]["text"].splitlines()[0] == "x" * 149 + " &amp; more"


def test_every_fact_is_shown_ten_a_section() -> None:
    blocks = body_of(replace(FIRING, facts=tuple(Fact(f"fact {number}", "x") for number in range(17))))["blocks"]
    assert [len(block["fields"]) for block in blocks if "fields" in block] == [10, 10, 1]


def test_a_test_is_marked() -> None:
    body = body_of(SAMPLE)
    assert body["text"].startswith("TEST:")
    assert body["blocks"][0]["text"]["text"].startswith("TEST:")
    assert "Nothing is wrong" in body["blocks"][1]["text"]["text"]
