"""A start that cannot note what it must."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.adapters.state_sqlite import DataDirectoryError, State
from gateway.app import running
from gateway.config.settings import Address, Settings
from gateway.wiring.stores import StartError


@pytest.mark.parametrize("table", ["keys", "generations"])
async def test_a_state_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path, table: str) -> None:
    """The daemon ends in words, without a trace, when what it must note at the start cannot be kept."""
    data = tmp_path / "data" / "simulated"
    data.mkdir(parents=True)
    State(data / "state.db").close()
    with closing(sqlite3.connect(data / "state.db")) as database:
        database.execute(f"drop table {table}")
        database.execute(f"create view {table} as select 1 as number, '' as fingerprint, '' as name, '' as value")
    with pytest.raises(StartError, match="or give another one with --data DIR"):
        async with running(Settings(None, tmp_path / "data", Address("127.0.0.1", 0), simulate=True)):
            pass


async def test_what_is_kept_of_alerts_and_cannot_be_read_is_told_with_the_remedy(tmp_path: Path) -> None:
    """U-102, U-126: messages that were never sent are not forgotten in silence."""
    data = tmp_path / "data" / "simulated"
    data.mkdir(parents=True)
    State(data / "state.db").close()
    with closing(sqlite3.connect(data / "state.db")) as database, database:
        database.execute("drop table outbox")
    with pytest.raises(DataDirectoryError, match=r"cannot be read: .*; move .*state\.db away to begin anew"):
        async with running(Settings(None, tmp_path / "data", Address("127.0.0.1", 0), simulate=True)):
            pass
