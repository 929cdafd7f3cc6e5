"""What is kept of alerts: whole, in one transaction, over a kill at any moment, and not for ever."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.alerts_sqlite import SAID_KEPT, AlertStore
from gateway.adapters.state_sqlite import State
from gateway.domain.alert import Alert, AlertKind, to_json
from gateway.domain.outbox import Changes, Hush, Instance, Kept, Letter, Mailbox, Said
from gateway.domain.problem import StoreError
from tests.fakes.alerts import ESCALATED, FIRING, NOW, RESOLVED
from tests.fakes.alerts import alerts as any_alerts

ROOT = Path(__file__).resolve().parents[2]
OPEN = Instance("spend", AlertKind.SPEND_SHIFT, {"rule": "r-code"}, {"state": "open", "stage": 3}, ("ops",), "said")
LETTER = Letter("ops", FIRING, NOW)
MAILBOX = Mailbox("ops", "digest", "gone", NOW, NOW, "id-firing", 410, "gone", "words", 3)
HUSH = Hush("id-1", {"rule": "r-code"}, NOW, NOW, "maintenance")


def opened(directory: Path) -> AlertStore:
    State(directory / "state.db").close()
    return AlertStore(directory / "state.db")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[AlertStore]:
    made = opened(tmp_path)
    yield made
    made.close()


async def test_all_that_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    """U-79: how incidents stand, what waits, how receivers stand, what people have said."""
    first = opened(tmp_path)
    assert await first.load() == Kept()
    changes = Changes((OPEN,), (), (), (LETTER,), (), (MAILBOX,), (HUSH,), (), ("id-9",))
    await first.write(changes)
    first.close()
    second = AlertStore(tmp_path / "state.db")
    kept = await second.load()
    assert kept == Kept((OPEN,), (LETTER,), (MAILBOX,), (HUSH,), frozenset({"id-9"}))
    assert (kept.instances[0].scope, kept.instances[0].state) == (OPEN.scope, OPEN.state)
    assert kept.hushes[0].matcher == HUSH.matcher
    await second.write(Changes((), (OPEN.identity,), (), (), (LETTER.key,), (), (), (HUSH.id,), (), ("id-9",)))
    assert await second.load() == Kept(mailboxes=(MAILBOX,))
    second.close()


async def test_a_mailbox_that_nothing_was_tried_with_yet_is_kept_too(store: AlertStore) -> None:
    await store.write(Changes(mailboxes=(Mailbox("ops"),)))
    assert (await store.load()).mailboxes == (Mailbox("ops"),)


async def test_letters_keep_the_order_in_which_they_arose_however_often_they_were_tried(store: AlertStore) -> None:
    letters = (Letter("b", FIRING, NOW), Letter("a", FIRING, NOW), Letter("b", ESCALATED, NOW))
    await store.write(Changes(letters=letters))
    tried = replace(letters[0], due=NOW + timedelta(hours=1), attempts=3, resend=True, since=NOW - timedelta(hours=2))
    await store.write(Changes(letters=(tried,)))
    assert (await store.load()).letters == (tried, *letters[1:])


@given(st.lists(any_alerts(), max_size=4, unique_by=lambda alert: alert.message_id))
async def test_any_message_waits_as_it_arose(tmp_path_factory: pytest.TempPathFactory, waiting: list[Alert]) -> None:
    """U-82: names, texts and numbers of any kind, half characters among them."""
    made = opened(tmp_path_factory.mktemp("any"))
    await made.write(Changes(letters=tuple(Letter("ops", alert, NOW) for alert in waiting)))
    kept = (await made.load()).letters
    made.close()
    assert [json.dumps(to_json(each.alert)) for each in kept] == [json.dumps(to_json(alert)) for alert in waiting]


async def test_a_change_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    """U-82: an incident is not open without the message about it, and the other way round."""
    made = opened(tmp_path)
    with closing(sqlite3.connect(tmp_path / "state.db")) as other:
        other.execute("create trigger full before insert on outbox begin select raise(abort, 'full'); end")
    with pytest.raises(StoreError, match=r"state\.db cannot be written"):
        await made.write(Changes(instances=(OPEN,), letters=(LETTER,), hushes=(HUSH,)))
    with closing(sqlite3.connect(tmp_path / "state.db")) as other:
        assert other.execute("select count(*) from alert_instances").fetchone() == (0,)
    await made.write(Changes(hushes=(HUSH,)))  # the next one is not lost with it
    made.close()


async def test_what_was_said_is_kept_newest_first_up_to_a_number(store: AlertStore) -> None:
    said = [Said(replace(FIRING, reminder=number), silenced=number % 2 == 1) for number in range(SAID_KEPT + 5)]
    for start in range(0, len(said), 100):
        await store.write(Changes(said=tuple(said[start : start + 100])))
    assert await store.said(3) == said[:-4:-1]
    assert len(await store.said(10_000)) == SAID_KEPT


async def test_what_was_kept_still_and_is_told_later_is_one_message(store: AlertStore) -> None:
    await store.write(Changes(said=(Said(FIRING, silenced=True), Said(RESOLVED, silenced=True))))
    await store.write(Changes(said=(Said(FIRING, silenced=False),)))
    assert await store.said(9) == [Said(FIRING, silenced=False), Said(RESOLVED, silenced=True)]


async def test_a_row_that_cannot_be_read_is_told_and_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    made = opened(tmp_path)
    await made.write(Changes(letters=(LETTER,), said=(Said(FIRING, silenced=False),)))
    with closing(sqlite3.connect(tmp_path / "state.db")) as other, other:
        other.execute("insert into outbox values (9, 'bad', 'm', '2026-11-23T00:00:00+00:00', 0, 0, null, '{}')")
        other.execute("insert into alert_instances values ('i', 'worse', 'no kind', '{}', '{}', '[]', '')")
        other.execute("insert into alerts_said values (9, 'm', '', 0, 'no json')")
    assert await made.load() == Kept(letters=(LETTER,), unreadable=("worse", "bad"))
    assert await made.said(9) == [Said(FIRING, silenced=False)]
    with closing(sqlite3.connect(tmp_path / "state.db")) as other, other:
        other.execute("drop table outbox")
    with pytest.raises(StoreError, match=r"state\.db cannot be read"):
        await made.load()
    made.close()


KILLED = """\
import asyncio, os, signal, sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from gateway.adapters.alerts_sqlite import AlertStore
from gateway.domain.alert import AlertKind
from gateway.domain.outbox import Changes, Instance, Letter
from tests.fakes.alerts import FIRING, NOW

async def main():
    store = AlertStore(Path(sys.argv[1]))
    for number in range(100_000):
        incident = f"id-{number}"
        state = {"state": "open", "incident_id": incident}
        alert = replace(FIRING, incident_id=incident)
        instance = Instance(f"a{number}", AlertKind.BUDGET, {}, state, ("ops",))
        await store.write(Changes(instances=(instance,), letters=(Letter("ops", alert, NOW),)))
        print(number, flush=True)

asyncio.run(main())
"""


async def loaded(path: Path) -> Kept:
    store = AlertStore(path)
    try:
        return await store.load()
    finally:
        store.close()


@pytest.mark.parametrize("writes", [1, 7, 40])
def test_a_kill_at_any_moment_leaves_each_incident_with_its_message(tmp_path: Path, writes: int) -> None:
    """U-82: nothing that was noted is lost, and nothing is there by half."""
    State(tmp_path / "state.db").close()
    command = [sys.executable, "-c", KILLED, str(tmp_path / "state.db")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout is not None
        noted = [int(next(process.stdout)) for _ in range(writes)]
        process.send_signal(signal.SIGKILL)
    kept = asyncio.run(loaded(tmp_path / "state.db"))
    instances = {str(each.state["incident_id"]) for each in kept.instances}
    assert instances == {each.alert.incident_id for each in kept.letters}
    assert {f"id-{number}" for number in noted} <= instances
    assert len(instances) >= writes
