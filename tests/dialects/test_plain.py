import pytest

from gateway.dialects.plain import NotPlainError, number, only, sampling, stop_sequences, text, turns, whole_number
from gateway.domain.chat import Role, Turn
from gateway.domain.refusal import RefusalKind

ASKED = Turn(Role.USER, "Why?")
SAID = Turn(Role.ASSISTANT, "Because.")


@pytest.mark.parametrize("value", [None, False, "", [], {}, 1, "auto"])
def test_what_asks_for_nothing_is_no_loss(value: object) -> None:
    only({"kept": 7, "x": value}, ["kept"], "", {"x": (1, "auto")})


@pytest.mark.parametrize("value", [0, True, 2, "x", [0], {"a": None}])
def test_what_asks_for_something_is_named_with_its_path(value: object) -> None:
    """U-46: zero is a value, and so is true."""
    with pytest.raises(NotPlainError) as raised:
        only({"a": None, "x": value, "y": 1}, [], "messages[0].", {})
    refusal = raised.value.refusal("OpenAI")
    assert (refusal.kind, refusal.param) == (RefusalKind.INVALID_REQUEST, "messages[0].x")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ""),
        ("Hi", "Hi"),
        ([], ""),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": ""}, {"type": "text", "text": "b", "x": None}],
            "a\nb",
        ),
    ],
)
def test_text_is_read_from_strings_and_parts(content: object, expected: str) -> None:
    """U-55: an empty part leaves no trace."""
    assert text(content, "content") == expected


@pytest.mark.parametrize("content", [7, True, {}, [7], [{"type": "image"}], [{"type": "text"}], [{"text": "x"}]])
def test_content_that_is_not_text_is_named(content: object) -> None:
    with pytest.raises(NotPlainError, match="content"):
        text(content, "content")


def test_empty_turns_are_left_out_and_the_order_stays() -> None:
    """U-55: never an empty text upstream; turns of one role may follow each other."""
    assert turns([ASKED, Turn(Role.ASSISTANT, " \n"), SAID, ASKED, ASKED]) == (ASKED, SAID, ASKED, ASKED)


@pytest.mark.parametrize("said", [[], [Turn(Role.USER, " ")], [ASKED, SAID], [ASKED, SAID, Turn(Role.USER, "")]])
def test_turns_that_do_not_wait_for_the_model_are_named(said: list[Turn]) -> None:
    with pytest.raises(NotPlainError, match="messages"):
        turns(said)


def test_numbers_are_read_as_they_are() -> None:
    assert (number({"t": 0.5}, "t"), number({"t": 0}, "t"), number({"t": None}, "t"), number({}, "t")) == (
        0.5,
        0,
        None,
        None,
    )
    assert (whole_number({"t": 5}, "t"), whole_number({}, "t")) == (5, None)
    assert sampling({"a": 0, "b": None, "c": 1.5, "d": 7}, "a", "b", "c") == {"a": 0, "c": 1.5}


@pytest.mark.parametrize("value", ["0.5", True, [1]])
def test_what_is_no_number_is_named(value: object) -> None:
    for read in (number, whole_number, sampling):
        with pytest.raises(NotPlainError, match="t"):
            read({"t": value}, "t")
    with pytest.raises(NotPlainError):
        whole_number({"t": 0.5}, "t")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, ()), ("", ()), ("END", ("END",)), (["a", "b"], ("a", "b")), ([], ())]
)
def test_stop_sequences_are_one_or_many(value: object, expected: tuple[str, ...]) -> None:
    assert stop_sequences({"stop": value}, "stop") == expected


@pytest.mark.parametrize("value", [7, ["a", 7], {"a": "b"}])
def test_stop_sequences_of_another_shape_are_named(value: object) -> None:
    with pytest.raises(NotPlainError, match="stop"):
        stop_sequences({"stop": value}, "stop")
