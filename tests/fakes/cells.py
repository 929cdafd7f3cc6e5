"""The cells of the fault matrix, and what must come of a fault in each, by the promises alone."""

import itertools
from dataclasses import dataclass
from typing import Final

KINDS: Final = ("openai", "anthropic")
OTHER: Final = {"openai": "anthropic", "anthropic": "openai"}
UPSTREAM: Final = {
    "openai": ("gpt-5-nano", "gpt-5-mini"),
    "anthropic": ("claude-haiku-4-5", "claude-sonnet-4-5"),
}
"""What the first and the last step of a kind ask for: another model each, so that its text tells who speaks."""
VECTORS: Final = "text-embedding-3-small"
PLACES: Final = ("first", "middle", "last", "all")
WELL: Final = ""
"""No failure: the step answers."""
BROKEN: Final = "!"
"""A mark before a failure that comes after content: the answer breaks off, and no other model takes over."""
BEFORE: Final = "server_error"
"""The fault of the steps before the one with the fault."""


@dataclass(frozen=True)
class Expected:
    """The failure of a step with a fault, of whole answers and of streams, where OpenAI's differ also of those."""

    whole: str
    stream: str
    openai_stream: str | None = None

    def of(self, kind: str, *, stream: bool) -> str:
        """Give the failure, with its mark."""
        if not stream:
            return self.whole
        return self.openai_stream if self.openai_stream is not None and kind == "openai" else self.stream


def alike(failure: str) -> Expected:
    """Expect the same of both."""
    return Expected(failure, failure)


EXPECTED: Final = {
    "rate_limited": alike("rate_limited"),
    "quota": alike("quota"),
    "server_error": alike("server_error"),
    "overloaded": alike("overloaded"),
    "auth": alike("auth"),
    "not_found": alike("not_found"),
    "bad_request": alike("bad_request"),
    "context_length": alike("context_length"),
    "content_filter": alike(WELL),
    "refuse": alike("connect"),
    "stall": alike("timeout"),
    "stall_after_headers": alike("timeout"),
    "cut": Expected("truncated", BROKEN + "truncated"),
    "error_in_stream": Expected("overloaded", "overloaded", openai_stream="server_error"),
    "error_in_200": alike("server_error"),
    "empty": alike("empty"),
    "malformed_line": alike("malformed"),
    "no_terminal": Expected(WELL, BROKEN + "truncated"),
    "no_marker": Expected(WELL, BROKEN + "truncated"),
    "headers_slowly": alike("timeout"),
    "pings_only": alike("timeout"),
    "endless": Expected("timeout", BROKEN + "timeout"),
    "endless_event": Expected("timeout", "malformed"),
    "gzip_bomb": alike("malformed"),
    "half_closed": Expected("truncated", BROKEN + "truncated"),
    "slow": alike(WELL),
    "usage_missing": alike(WELL),
    "usage_cached": alike(WELL),
    "usage_wrong": alike(WELL),
    "usage_split": alike(WELL),
}
WINDOW: Final = {"openai": 2, "anthropic": 1}
"""How the windows of the models here compare: what is too long for the smaller may go on to the larger."""
STATUS: Final = {"bad_request": 400, "context_length": 400, "rate_limited": 429, "overloaded": 503, "timeout": 504}
"""What the caller gets where no step answered and one failed so, what he can do most about first; else 502."""
COOLS: Final = {"rate_limited", "auth", "quota"}
"""What makes a model rest after a single failure."""
OURS: Final = {"auth", "quota", "not_found"}
"""Failures of the gateway's own account, of which the caller hears no word of the provider's."""
TIMEOUTS: Final = {
    "stall": "{headers: 200ms, total: 200ms}",
    "headers_slowly": "{headers: 200ms, total: 200ms}",
    "stall_after_headers": "{first_content: 500ms, total: 500ms}",
    "pings_only": "{first_content: 500ms, total: 500ms}",
    "endless": "{total: 200ms}",
    "endless_event": "{total: 200ms}",
}
"""The limits of steps that only a limit ends: longer where something must have come by then. No others have any."""
ENDLESS: Final = "{total: 1s}"
"""The limit of a stream whose content must have come by then."""
PASSED_OVER: Final = "incapable"
"""Why steps are passed over whose windows are no larger than one that was too small."""


@dataclass(frozen=True)
class Cell:
    """One request: on which surface, at which kind of provider, and at which place the fault is."""

    surface: str
    stream: bool
    kind: str
    place: str

    @property
    def name(self) -> str:
        """Its name, which its rule has, too."""
        return f"{self.surface}-{'stream' if self.stream else 'whole'}-{self.kind}-{self.place}"

    @property
    def steps(self) -> tuple[str, ...]:
        """The kinds of the providers of its chain: the one with the fault, and others after and before it.

        Where all have the fault, all are of one kind.
        """
        if self.surface == "embeddings" or self.place == "all":
            return (self.kind,) * 3
        other = OTHER[self.kind]
        return (other, self.kind, other) if self.place == "middle" else (self.kind, other, self.kind)

    def upstream(self, step: int) -> str:
        """Give what a step asks its provider for."""
        return VECTORS if self.surface == "embeddings" else UPSTREAM[self.steps[step]][step // 2]

    def limits(self, step: int, fault: str) -> str:
        """Give the limits of a step as a rule has them: an honest one has all the time there is."""
        here = self.fault_of(step, fault)
        failure = EXPECTED[here].of(self.steps[step], stream=self.stream) if here else WELL
        if failure.removeprefix(BROKEN) != "timeout":
            return ""
        return f", timeout: {ENDLESS if failure.startswith(BROKEN) else TIMEOUTS[here]}"

    def fault_of(self, step: int, fault: str) -> str:
        """Give the fault of a step, empty for none."""
        at = 0 if self.place == "all" else PLACES.index(self.place)
        return fault if step == at or self.place == "all" else BEFORE if step < at else ""


CELLS: Final = [
    *(
        Cell(surface, stream, kind, place)
        for surface, stream, kind, place in itertools.product(
            ("chat", "responses", "messages"), (False, True), KINDS, PLACES
        )
    ),
    *(Cell("execute", False, kind, place) for kind, place in itertools.product(KINDS, PLACES)),
    *(Cell("embeddings", False, "openai", place) for place in PLACES),
]


@dataclass(frozen=True)
class Fate:
    """What must come of a request: what is said of each step, which one served, and how it ended.

    `steps` are by place: how it failed, empty for not at all, or why it was passed over.
    """

    steps: tuple[tuple[int, str], ...]
    served: int | None
    outcome: str

    @property
    def tried(self) -> tuple[tuple[int, str], ...]:
        """The steps that were tried, and how each failed."""
        return tuple((step, failure) for step, failure in self.steps if failure != PASSED_OVER)

    @property
    def broken(self) -> bool:
        """Whether the answer broke off."""
        return self.outcome == "interrupted"

    @property
    def decisive(self) -> tuple[int, str]:
        """The step whose failure the caller is told: the last of what he can do most about."""
        worst = next((failure for failure in STATUS if failure in {each for _, each in self.tried}), None)
        return [each for each in self.tried if worst in (None, each[1])][-1]


def fate(cell: Cell, fault: str) -> Fate:
    """Walk a chain: the next step answers as long as there is no content, unless none could do any better."""
    steps: list[tuple[int, str]] = []
    too_small = 0
    for step, kind in enumerate(cell.steps):
        here = cell.fault_of(step, fault)
        failure = EXPECTED[here].of(kind, stream=cell.stream) if here else WELL
        if WINDOW[kind] <= too_small:
            steps.append((step, PASSED_OVER))
            continue
        steps.append((step, failure.removeprefix(BROKEN)))
        if failure == WELL:
            return Fate(tuple(steps), step, "answered" if step == 0 else "answered_after_fallback")
        if failure.startswith(BROKEN):
            return Fate(tuple(steps), step, "interrupted")
        if here == "context_length":
            too_small = WINDOW[kind]
        if here == "bad_request":
            break
    return Fate(tuple(steps), None, "failed")
