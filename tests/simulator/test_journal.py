import asyncio
from dataclasses import replace

from gateway.simulator.journal import Entry, Journal
from gateway.simulator.plan import Ending

ENTRY = Entry(
    provider=None,
    model="mini",
    dialect="openai",
    stream=True,
    header_names=(),
    headers={},
    body_sha256="",
    body_bytes=0,
    body=None,
    fault=None,
    status=200,
)


async def test_requests_are_counted_by_model_and_only_the_last_are_kept() -> None:
    journal = Journal(keep=2)
    for model in ("a", "b", "a", ""):
        journal.end(journal.begin(replace(ENTRY, model=model)), Ending.COMPLETE)
    document = journal.as_document()
    assert document["models"] == {"a": 2, "b": 1, "": 1}
    assert document["total"] == 4
    assert [entry["model"] for entry in _requests(document)] == ["a", ""]
    assert journal.models == {"a", "b"}


async def test_only_the_first_word_about_the_end_counts() -> None:
    journal = Journal()
    first, second = journal.begin(ENTRY), journal.begin(ENTRY)
    journal.end(first, Ending.CUT)
    journal.end(first, None)
    journal.end(second, None)
    requests = _requests(journal.as_document())
    assert [(entry["ended"], entry["disconnected"]) for entry in requests] == [("cut", False), (None, True)]


async def test_streams_under_way_are_counted_also_when_their_requests_are_forgotten() -> None:
    journal = Journal()
    stream, whole = journal.begin(ENTRY), journal.begin(replace(ENTRY, stream=False))
    journal.clear()
    assert _open(journal) == (2, 1)
    journal.end(stream, Ending.COMPLETE)
    journal.end(whole, Ending.COMPLETE)
    assert _open(journal) == (0, 0)
    assert journal.as_document()["requests"] == []


async def test_settling_waits_for_what_is_under_way_but_not_for_ever() -> None:
    journal = Journal()
    await journal.settle(0)
    serial = journal.begin(ENTRY)
    await journal.settle(0)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(journal.settle(30))
        journal.end(serial, Ending.COMPLETE)
    assert waiting.done()


def _requests(document: dict[str, object]) -> list[dict[str, object]]:
    requests = document["requests"]
    assert isinstance(requests, list)
    return requests


def _open(journal: Journal) -> tuple[object, object]:
    document = journal.as_document()
    return document["open_requests"], document["open_streams"]
