"""Hypothesis strategies for conversations in no dialect: those that both dialects have words for, and what one has."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from gateway.domain.chat import Role
from gateway.domain.message import (
    Chat,
    Choosing,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
names = st.text("abcXYZ019_-", min_size=1, max_size=12)
json_values = st.one_of(
    st.sampled_from([None, True, False, [], {}, [{"a": [0.1, None]}], {"b": {"c": "\u2028"}}]),
    st.integers(-(2**53), 2**53),
    words,
)
arguments = st.dictionaries(words, json_values, max_size=3).map(lambda given: msgspec.json.encode(given).decode())
markers = st.sampled_from([None, None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])
sources = st.sampled_from([Inline("image/png", "AAAA"), Inline("image/webp", "AAAA"), Link("https://a.example/b.png")])


def texts(marked: st.SearchStrategy[Any]) -> st.SearchStrategy[Text]:
    return st.builds(Text, words, marked)


def asked(marked: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Part, ...]]:
    """Give what a user says."""
    documents = st.builds(Document, st.just(Inline("application/pdf", "AAAA")), title=names, cache=marked)
    parts = st.one_of(texts(marked), st.builds(Image, sources, cache=marked), documents)
    return st.lists(parts, min_size=1, max_size=3).map(tuple)


@st.composite
def exchanges(draw: st.DrawFn, *, anthropic: bool) -> list[Message]:
    """Give what an assistant says with the tools it asks for, and the user's results and words after it.

    Between messages requests alone go markers, thoughts with signatures, failures and images in results.
    """
    marked = markers if anthropic else st.none()
    said: list[Part] = list(draw(st.lists(texts(marked), max_size=1)))
    thoughts = st.one_of(st.builds(Thinking, words, names), st.builds(Thinking, st.just(""), redacted=names))
    if anthropic:
        said = [*draw(st.lists(thoughts, max_size=2)), *said]
    ids = draw(st.lists(names, max_size=3, unique=True))
    said += [ToolCall(each, draw(names), draw(arguments), draw(marked)) for each in ids]
    within: st.SearchStrategy[Text | Image] = texts(marked)
    if anthropic:
        within = st.one_of(within, st.builds(Image, sources, cache=marked))
    content = st.lists(within, max_size=2).map(tuple)
    failed = st.booleans() if anthropic else st.just(False)
    results = [ToolResult(each, draw(content), draw(failed), draw(marked)) for each in draw(st.permutations(ids))]
    words_after = draw(asked(marked)) if not results or draw(st.booleans()) else ()
    if not said:
        said = [Text("So")]
    return [Message(Role.ASSISTANT, tuple(said)), Message(Role.USER, (*results, *words_after))]


@st.composite
def chats(draw: st.DrawFn, *, anthropic: bool = False) -> Chat:
    """Give a conversation that both dialects can say all of, or `anthropic` its own can."""
    marked = markers if anthropic else st.none()
    messages = [Message(Role.USER, draw(asked(marked)))]
    for more in draw(st.lists(exchanges(anthropic=anthropic), max_size=3)):
        messages += more
    tools = draw(
        st.lists(
            st.builds(Tool, names, st.one_of(st.just(""), words), st.just({"type": "object"}), cache=marked), max_size=2
        )
    )
    choices = st.one_of(
        st.none(),
        st.builds(
            ToolChoice, st.sampled_from([Choosing.AUTO, Choosing.REQUIRED]), parallel=st.sampled_from([None, False])
        ),
        st.builds(ToolChoice, st.just(Choosing.NAMED), names),
        st.just(ToolChoice(Choosing.NONE)),
    )
    return Chat(
        system=tuple(draw(st.lists(texts(marked), max_size=3 if anthropic else 1))),
        messages=tuple(messages),
        stream=draw(st.booleans()),
        max_tokens=draw(st.integers(1, 9999)),
        stop_sequences=tuple(draw(st.lists(words, max_size=3))),
        tools=tuple(tools),
        tool_choice=draw(choices) if tools else None,
        user=draw(st.one_of(st.just(""), names)),
        settings=draw(
            st.one_of(
                st.just({}),
                st.fixed_dictionaries({"temperature": st.floats(0, 1)}),
                st.fixed_dictionaries({"top_p": st.floats(0, 1)}),
            )
        ),
    )
