"""What models cost, kept in a real file: read as it was written, whole or not at all."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.adapters.prices_sqlite import Prices
from gateway.domain.price_change import KeptPrices
from gateway.domain.problem import StoreError
from tests.adapters.journals import made
from tests.engine.test_alert_prices import DEARER, change

CHANGE = change()
KEPT = KeptPrices({"mini": CHANGE.after, "über": CHANGE.before}, (CHANGE, replace(change(after=DEARER), change="13-a")))


def test_what_is_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    state = made(tmp_path)
    assert Prices(state).load() == KeptPrices({})
    Prices(state).save(KEPT)
    assert Prices(state).load() == KEPT
    less = KeptPrices({"mini": CHANGE.before})
    Prices(state).save(less)
    assert Prices(state).load() == less


@pytest.mark.parametrize(
    "action", [lambda prices: prices.load(), lambda prices: prices.save(KEPT)], ids=["load", "save"]
)
def test_a_file_without_the_tables_is_said_so(tmp_path: Path, action: Callable[[Prices], object]) -> None:
    with pytest.raises(StoreError, match=r"in state\.db"):
        action(Prices(tmp_path / "state.db"))


def test_what_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    state = made(tmp_path)
    with closing(sqlite3.connect(state)) as database, database:
        database.execute("insert into prices values ('mini', '{\"upstream\": 3}')")
    with pytest.raises(StoreError, match=r"what is kept of prices in state\.db cannot be read"):
        Prices(state).load()


def test_what_fails_half_way_leaves_what_was_kept(tmp_path: Path) -> None:
    state = made(tmp_path)
    Prices(state).save(KEPT)
    with closing(sqlite3.connect(state)) as database, database:
        database.execute("create trigger no before insert on price_changes begin select raise(abort, 'full'); end")
    with pytest.raises(StoreError, match="full"):
        Prices(state).save(KeptPrices({}, (CHANGE,)))
    assert Prices(state).load() == KEPT
