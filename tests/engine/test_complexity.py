"""What the complexity of a prompt promises: a level and a score that grow with what is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.category import UNSURE, Category, Classification, Complexity, Demand, Table
from gateway.engine import classify as classifier
from gateway.engine import complexity
from gateway.engine.classify import compile_table
from gateway.engine.complexity import CATEGORY_SHARE, LENGTH_SHARE, complexity_of, needs_reasoning_of
from gateway.engine.reading import Reading, considered
from tests.engine.category_files import shipped_categories

SHIPPED = compile_table(shipped_categories())
NOTHING = Classification(UNSURE, 0.0, {})
LEVELS = [Complexity.LOW, Complexity.MEDIUM, Complexity.HIGH]

DEMANDING = (
    "Given the following conditions, she must not choose a plan that her brother or his friends have, unless they each "
    "agree first; then compare the remaining plans step by step, and suppose that no other offer exists until the end. "
    "Which statement is false, and if more than one is, which is the least wrong?"
)


def classify(text: str, among: Table) -> Classification:
    return classifier.classify(Reading(considered(text)), among)


def demand_of(text: str) -> Demand:
    return complexity.demand_of(Reading(considered(text)))


def table(complexity: Complexity, *, needs_reasoning: bool = False) -> Table:
    return compile_table([Category("one", complexity, needs_reasoning, {"alpha": 3})])


def level_of(text: str, complexity: Complexity, estimated_tokens: int) -> Complexity:
    only = table(complexity)
    return complexity_of(demand_of(text), classify(text, only), only, estimated_tokens)[0]


@pytest.mark.parametrize(
    ("text", "tokens", "own", "expected"),
    [
        ("alpha", 1, Complexity.LOW, Complexity.LOW),
        ("alpha", 1, Complexity.MEDIUM, Complexity.LOW),
        ("alpha with a few plain words around it", 60, Complexity.MEDIUM, Complexity.MEDIUM),
        ("alpha with a few plain words around it", 60, Complexity.HIGH, Complexity.HIGH),
        (f"alpha {DEMANDING}", 200, Complexity.LOW, Complexity.MEDIUM),
        (f"alpha {DEMANDING}", 200, Complexity.MEDIUM, Complexity.HIGH),
        (f"alpha {DEMANDING}", 200, Complexity.HIGH, Complexity.HIGH),
        ("nothing that is known", 60, Complexity.LOW, Complexity.MEDIUM),
    ],
)
def test_the_level_is_the_categorys_own_moved_by_the_text(
    text: str, tokens: int, own: Complexity, expected: Complexity
) -> None:
    """A demanding text is a level higher, a plain one a level lower, and an unsure one starts at medium."""
    assert level_of(text, own, tokens) is expected


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        ("Which city is in Kenya?", "Which city is not in Kenya, nor in any country without a coast?"),
        ("The pump starts.", "If the pump starts before noon, then each valve must open, unless the other pump runs."),
        ("A bus leaves.", "First a bus leaves, then the remaining half of them follow, twice per hour, in total nine."),
        ("The box is red.", "I told him that she put their box where my friend left his."),
    ],
)
def test_what_makes_models_part_ways_raises_the_score(easier: str, harder: str) -> None:
    """Exceptions, conditions, steps and people each count, at the same length."""
    assert (
        complexity_of(demand_of(easier), NOTHING, SHIPPED, 50)[1]
        < complexity_of(demand_of(harder), NOTHING, SHIPPED, 50)[1]
    )


def test_length_alone_gives_no_more_than_its_share() -> None:
    """However long, a text without anything demanding in it stays in the lower half."""
    assert complexity_of(demand_of("red house"), NOTHING, SHIPPED, 10**9)[1] == LENGTH_SHARE + CATEGORY_SHARE / 2


def test_a_demanding_category_outranks_an_easy_one() -> None:
    """The same text scores higher under a category that says high."""
    found = classify("alpha", table(Complexity.LOW))
    scores = [complexity_of(demand_of("alpha"), found, table(level), 50)[1] for level in LEVELS]
    assert scores == sorted(set(scores))


def test_reasoning_is_needed_if_the_category_says_so() -> None:
    """The category's own word is enough."""
    thinking, plain = table(Complexity.LOW, needs_reasoning=True), table(Complexity.LOW)
    assert needs_reasoning_of(demand_of("alpha"), classify("alpha", thinking), thinking, 0.0)
    assert not needs_reasoning_of(demand_of("alpha"), classify("alpha", plain), plain, 0.0)


@pytest.mark.parametrize(
    ("text", "score", "expected"),
    [("alpha", 0.69, False), ("alpha", 0.70, True), ("Prove it.", 0.0, True), ("justify your answer", 0.0, True)],
)
def test_reasoning_is_needed_if_the_prompt_asks_for_it(text: str, score: float, expected: bool) -> None:  # noqa: FBT001 (a column of the table)
    """A proof, a justification or a very demanding text needs reasoning in any category."""
    assert needs_reasoning_of(demand_of(text), NOTHING, table(Complexity.LOW), score) is expected


@given(st.text(max_size=200), st.integers(-100, 10**9))
def test_the_score_is_a_share(text: str, tokens: int) -> None:
    """Any text of any size gets one of three levels and a score in 0..1, the same each time."""
    found = complexity_of(demand_of(text), classify(text, SHIPPED), SHIPPED, tokens)
    assert found[0] in LEVELS
    assert 0.0 <= found[1] <= 1.0
    assert complexity_of(demand_of(text), classify(text, SHIPPED), SHIPPED, tokens) == found


@given(st.text(max_size=100), st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_input_never_lowers_the_score(text: str, tokens: int, more: int) -> None:
    """The score and the level grow with the size of the input."""
    few = complexity_of(demand_of(text), NOTHING, SHIPPED, tokens)
    many = complexity_of(demand_of(text), NOTHING, SHIPPED, tokens + more)
    assert few[1] <= many[1]
    assert LEVELS.index(few[0]) <= LEVELS.index(many[0])


@given(st.lists(st.sampled_from(["red", "blue", "house", "walks", "\n"]), max_size=40), st.integers(0, 5000))
def test_an_exception_always_raises_the_score(plain: list[str], tokens: int) -> None:
    """Adding a negation and a condition to a plain text makes it harder."""
    text = " ".join(plain)
    before = complexity_of(demand_of(text), NOTHING, SHIPPED, tokens)[1]
    assert before < complexity_of(demand_of(f"{text} unless it must not"), NOTHING, SHIPPED, tokens)[1]
