"""What a Problem promises: a form that editors and terminals turn into a link."""

from gateway.domain.problem import WHOLE_SET, Problem


def test_a_problem_reads_as_a_place_and_a_remedy() -> None:
    assert str(Problem("a.yaml", 3, 7, "unknown key 'rout'", "did you mean 'route'?")) == (
        "a.yaml:3:7: unknown key 'rout' (did you mean 'route'?)"
    )
    assert str(Problem("a.yaml", 3, 7, "duplicate key")) == "a.yaml:3:7: duplicate key"


def test_a_problem_leads_there_from_outside_of_the_directory() -> None:
    """One of the whole set names the directory, which has no lines."""
    some, whole = Problem("a.yaml", 3, 7, "duplicate key"), Problem(WHOLE_SET, 1, 1, "there is no rule file", "add one")
    assert some.within("/etc/rules.d") == "/etc/rules.d/a.yaml:3:7: duplicate key"
    assert whole.within("/etc/rules.d") == "/etc/rules.d: there is no rule file (add one)"
    assert some.within(None) == "a.yaml:3:7: duplicate key"
    assert whole.within(None) == str(whole) == "the rules directory: there is no rule file (add one)"


def test_problems_sort_by_place() -> None:
    late, early = Problem("a.yaml", 10, 1, "b"), Problem("a.yaml", 9, 2, "z")
    assert sorted([Problem("b.yaml", 1, 1, "a"), late, early]) == [early, late, Problem("b.yaml", 1, 1, "a")]
