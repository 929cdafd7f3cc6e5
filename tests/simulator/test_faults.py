from gateway.simulator.faults import EVERY_MODEL, Fault, Faults, Script


def test_a_script_counts_down_and_leaves_the_board() -> None:
    board = Faults()
    board.put("mini", Script(Fault.RATE_LIMITED, 2))
    taken = [board.take(None, "mini") for _ in range(4)]
    assert [script and script.remaining for script in taken] == [2, 1, None, None]
    assert taken[2] is None
    assert board.scripts == {}


def test_a_script_without_a_count_stays() -> None:
    script = Script(Fault.AUTH)
    board = Faults({"mini": script})
    assert [board.take("openai", "mini") for _ in range(3)] == [script] * 3


def test_the_most_particular_name_wins() -> None:
    board = Faults(
        {
            EVERY_MODEL: Script(Fault.SERVER_ERROR),
            "mini": Script(Fault.OVERLOADED, 1),
            "azure/mini": Script(Fault.AUTH, 1),
        }
    )
    taken = [board.take("azure", "mini") for _ in range(3)]
    assert [script and script.fault for script in taken] == [Fault.AUTH, Fault.OVERLOADED, Fault.SERVER_ERROR]


def test_a_model_that_is_not_scripted_is_well() -> None:
    board = Faults({"mini": Script(Fault.AUTH)})
    assert board.take("openai", "gpt-5") is None


def test_a_script_with_nothing_remaining_clears_the_last_one() -> None:
    board = Faults({"mini": Script(Fault.AUTH)})
    board.put("mini", Script(Fault.AUTH, 0))
    assert board.take(None, "mini") is None


def test_clearing_takes_one_script_or_all() -> None:
    board = Faults({"a": Script(Fault.AUTH), "b": Script(Fault.AUTH), "c": Script(Fault.AUTH)})
    board.clear("a")
    board.clear("unknown")
    assert set(board.scripts) == {"b", "c"}
    board.clear()
    assert board.scripts == {}
