"""What the words of a message promise: the same in every chat, what happened first."""

from dataclasses import replace

import pytest

from gateway.domain.alert import Alert, Fact, Link
from gateway.receivers.wording import FACTS_MAX, NOTICE, facts_of, is_web_address, links_of, span, story, title
from tests.fakes.alerts import ESCALATED, FIRING, RESOLVED, SAMPLE

SUMMARY = FIRING.summary
TITLES = {
    "firing": (FIRING, SUMMARY),
    "escalated": (ESCALATED, f"Escalated to critical: {SUMMARY}"),
    "a worse stage": (replace(ESCALATED, raised_from=None, stage=80), f"Escalated: {SUMMARY}"),
    "resolved": (RESOLVED, f"Resolved: {RESOLVED.summary}"),
    "a reminder": (replace(FIRING, reminder=1), f"Still firing: {SUMMARY}"),
    "a reminder of an escalation": (replace(ESCALATED, reminder=3), f"Still firing: {SUMMARY}"),
    "a test": (SAMPLE, f"TEST: {SUMMARY}"),
    "a test of an end": (replace(RESOLVED, sample=True), f"TEST: Resolved: {RESOLVED.summary}"),
    "several lines": (replace(FIRING, summary="a\n b\t c"), "a b c"),
    "nothing to say": (replace(FIRING, summary=" \n"), "spend-shift"),
}


@pytest.mark.parametrize(("alert", "expected"), TITLES.values(), ids=TITLES)
def test_the_title_says_what_happened(alert: Alert, expected: str) -> None:
    assert title(alert) == expected


def test_a_test_says_that_nothing_is_wrong() -> None:
    """U-83: nobody takes a sample for an incident."""
    assert story(SAMPLE).splitlines() == [NOTICE, *FIRING.description.splitlines()]
    assert story(replace(SAMPLE, description="")) == NOTICE
    assert story(FIRING) == FIRING.description


def test_the_facts_come_first_then_what_every_incident_has() -> None:
    labels = [fact.label for fact in facts_of(RESOLVED)]
    own = [fact.label for fact in RESOLVED.facts]
    assert labels == [*own, "Alert", "Severity", "Scope", "Since", "Until", "Delayed"]
    shown = {fact.label: fact.value for fact in facts_of(RESOLVED)}
    assert shown["Severity"] == "critical (was warning)"
    assert shown["Until"] == "2026-11-23 15:35 UTC (1 h 30 min)"
    assert shown["Delayed"] == "this message comes 1 h 46 min late"


def test_an_incident_without_scope_end_or_delay_does_not_speak_of_them() -> None:
    assert [fact.label for fact in facts_of(replace(FIRING, scope={}, facts=()))] == ["Alert", "Severity", "Since"]


def test_too_many_facts_are_counted_and_empty_ones_shown_as_such() -> None:
    many = facts_of(replace(FIRING, facts=tuple(Fact(str(number), "") for number in range(FACTS_MAX + 2))))
    assert many[0] == Fact("0", "-")
    assert many[FACTS_MAX] == Fact("…", "2 more facts were left out")


ADDRESSES = {
    "https": ("https://gateway.example/a(b)?c=d&e=%20#f", True),
    "http with a port": ("http://127.0.0.1:8080/", True),
    "a script": ("javascript:alert(1)", False),
    "relative": ("/rules", False),
    "no host": ("https:///rules", False),
    "a blank": ("https://gateway.example/a b", False),
    "what ends a link of Slack": ("https://gateway.example/a>b", False),
    "letters of another alphabet": ("https://gateway.example/ä", False),
    "a bracket without its other": ("https://[", False),
    "too long": ("https://gateway.example/" + "x" * 2_000, False),
}


@pytest.mark.parametrize(("href", "shown"), ADDRESSES.values(), ids=ADDRESSES)
def test_a_link_is_a_web_address_or_is_not_shown(href: str, *, shown: bool) -> None:
    assert is_web_address(href) is shown
    assert len(links_of(replace(FIRING, links=(Link("More", href),)))) == shown


def test_a_link_without_words_shows_its_host_and_no_more_than_five_are_shown() -> None:
    links = links_of(replace(FIRING, links=(Link(" ", "https://gateway.example/a"),) * 7))
    assert links == (Link("gateway.example", "https://gateway.example/a"),) * 5


SPANS = [
    (0, "0 s"),
    (59.4, "59 s"),
    (60, "1 min"),
    (7_500, "2 h 5 min"),
    (86_405, "1 d"),
    (93_600, "1 d 2 h"),
    (-5, "0 s"),
]


@pytest.mark.parametrize(("seconds", "said"), SPANS)
def test_a_length_of_time_has_two_units_at_most(seconds: float, said: str) -> None:
    assert span(seconds) == said
