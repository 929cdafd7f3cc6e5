"""What people may write to silence alerts, and what they are told about the rest."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.runtime.silences import LONGEST_COMMENT, LONGEST_LABEL, MOST_LABELS, Wanted, read

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LABELS = {"alert": "budget", "budget": "growth"}
HOURS = timedelta(hours=2)


def written(**fields: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps(fields).encode()


GOOD = {
    "for a while": (written(matchers=LABELS, **{"for": "2h"}), Wanted(LABELS, NOON + HOURS, "")),
    "until a moment": (
        written(matchers=LABELS, until="2026-11-23T15:00:00+01:00", comment="night shift"),
        Wanted(LABELS, NOON + HOURS, "night shift"),
    ),
}


@pytest.mark.parametrize(("body", "wanted"), GOOD.values(), ids=GOOD)
def test_a_silence_is_for_labels_until_a_moment(body: bytes, wanted: Wanted) -> None:
    found = read(body, NOON)
    assert isinstance(found, Wanted)
    assert (found.matcher, found.until - wanted.until, found.comment) == (LABELS, timedelta(0), wanted.comment)


def test_of_one_incident_the_labels_are_settled() -> None:
    found = read(written(**{"for": "2h"}), NOON, {"incident_id": "id"})
    assert found == Wanted({"incident_id": "id"}, NOON + HOURS, "")
    assert isinstance(read(written(matchers=LABELS, **{"for": "2h"}), NOON, {"incident_id": "id"}), str)


BAD = {
    "nothing": (b"", "the body is"),
    "no object": (b"[1]", "the body is"),
    "no end": (written(matchers=LABELS), "the body is"),
    "two ends": (written(matchers=LABELS, until="2026-12-01T00:00:00Z", **{"for": "2h"}), "the body is"),
    "another field": (written(matchers=LABELS, why="x", **{"for": "2h"}), "the body is"),
    "no labels": (written(**{"for": "2h"}), "matchers holds at least one label"),
    "an empty map": (written(matchers={}, **{"for": "2h"}), "matchers holds at least one label"),
    "a list of labels": (written(matchers=["alert"], **{"for": "2h"}), "matchers holds at least one label"),
    "a label without a text": (written(matchers={"alert": 5}, **{"for": "2h"}), "matchers holds at least one label"),
    "an empty text": (written(matchers={"alert": ""}, **{"for": "2h"}), "matchers holds at least one label"),
    "a long text": (
        written(matchers={"alert": "x" * (LONGEST_LABEL + 1)}, **{"for": "2h"}),
        "matchers holds at least one label",
    ),
    "many labels": (
        written(matchers={f"l{n}": "x" for n in range(MOST_LABELS + 1)}, **{"for": "2h"}),
        "matchers holds at least one label",
    ),
    "no duration": (written(matchers=LABELS, **{"for": "long"}), "a silence ends at a moment to come"),
    "a number": (written(matchers=LABELS, **{"for": 5}), "a silence ends at a moment to come"),
    "no time at all": (written(matchers=LABELS, **{"for": "0s"}), "a silence ends at a moment to come"),
    "more than time has": (written(matchers=LABELS, **{"for": "999999999999d"}), "a silence ends at a moment to come"),
    "the past": (written(matchers=LABELS, until="2026-11-23T11:00:00Z"), "a silence ends at a moment to come"),
    "a moment anywhere": (written(matchers=LABELS, until="2026-12-01T00:00:00"), "a silence ends at a moment to come"),
    "no moment": (written(matchers=LABELS, until="soon"), "a silence ends at a moment to come"),
    "a comment that is none": (written(matchers=LABELS, comment=5, **{"for": "2h"}), "a comment is a text"),
    "a long comment": (
        written(matchers=LABELS, comment="x" * (LONGEST_COMMENT + 1), **{"for": "2h"}),
        "a comment is a text of at most 1,000 characters",
    ),
}


@pytest.mark.parametrize(("body", "said"), BAD.values(), ids=BAD)
def test_what_is_wrong_with_a_silence_is_said(body: bytes, said: str) -> None:
    found = read(body, NOON)
    assert isinstance(found, str)
    assert found.startswith(said)
