"""The standard suites of LangChain for its integrations, through the gateway, answered by either kind of provider.

They judge what an application built on LangChain sees. The model behind is a mock: where a test needs a model that
thinks, the answer is scripted; whether it comes through whole is what is tested.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from llmock.scenarios import Match, Reply, ToolCall

from tests.fakes.beside import Mocked, mocked
from tests.fakes.rule_files import UPSTREAM

FILES = {
    "png": bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060600000000500"
        "01a5f645400000000049454e44ae426082"
    ),
    "pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "wav": b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0D\xac\0\0\x88X\1\0\2\0\x10\0data\0\0\0\0",
}
"""What the suites would download, by the ending of its name."""
JOKE = '{"setup": "What do cats drink?", "punchline": "Evaporated milk."}'
SHAPED = Reply(text=JOKE, times=None, match=Match(provider="anthropic", tools=False))
"""The mock knows this form of answer under its older name only."""
MAGIC = Reply(tool_calls=(ToolCall("magic_function", {"input": 3}),), times=None, match=Match(tools=True))
CUSTOMER = ToolCall("unicode_customer", {"customer_name": "你好 こんにちは", "description": "会社"})
SCRIPTS: Mapping[str, Reply] = {
    "test_tool_calling": MAGIC,
    "test_tool_calling_async": MAGIC,
    "test_json_mode": Reply(text=JOKE, times=None),
    "test_structured_output": SHAPED,
    "test_structured_output_async": SHAPED,
    "test_structured_output_pydantic_2_v1": SHAPED,
    "test_structured_output_optional_param": SHAPED,
    "test_unicode_tool_call_integration": Reply(tool_calls=(CUSTOMER,), times=None),
}
"""What the mock says in a test that asks for more than an example of a schema."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
    pytest.mark.filterwarnings("ignore:OpenAI may require a filename for file uploads:UserWarning"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mocked]:
    with mocked(tmp_path_factory.mktemp("langchain")) as running:
        yield running


class Suite(ChatModelIntegrationTests):
    """What the four combinations share."""

    registry_name, other_name = "", ""
    url = ""

    @property
    def common_params(self) -> dict[str, Any]:
        """Give what both clients take; each test has a loop of its own, which no connection outlives."""
        return {
            "api_key": "none",
            "model": self.registry_name,
            "max_retries": 0,
            "default_headers": {"Connection": "close"},
        }

    @property
    def model_override_value(self) -> str:
        return self.other_name

    @pytest.fixture(autouse=True)
    def _scripted(
        self, gateway: Mocked, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        """Set the stage; afterwards the mock has seen requests for the one model, unless the test asks for others."""
        type(self).url = gateway.url
        gateway.server.state.scenarios.clear()
        gateway.server.state.journal.clear()
        test = request.node.originalname
        if script := SCRIPTS.get(test):
            gateway.server.state.scenarios.add(script)

        monkeypatch.setattr(httpx, "get", lambda url, **_: httpx.Response(200, content=FILES[url.rpartition(".")[2]]))
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "rulegate")
        yield
        asked = {record.model for record in gateway.server.state.journal.records()}
        assert asked <= {UPSTREAM[self.registry_name]} or test.endswith("_with_model_override")

    @pytest.fixture
    def benchmark(self) -> None:
        """Stand in for the plugin of a test that skips itself."""

    @pytest.fixture
    def vcr(self) -> None:
        """Stand in for the plugin of a test that skips itself."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        raise NotImplementedError

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True


class OpenAISuite(Suite):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self.common_params, "base_url": f"{self.url}/v1", "stream_usage": True}

    @property
    def supports_json_mode(self) -> bool:
        return True


class AnthropicSuite(Suite):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self.common_params, "base_url": self.url}


class TestChatOpenAIAnsweredByOpenAI(OpenAISuite):
    registry_name, other_name = "nano", "haiku"

    @property
    def supports_audio_inputs(self) -> bool:
        return True


class TestChatOpenAIAnsweredByAnthropic(OpenAISuite):
    registry_name, other_name = "haiku", "nano"


class TestChatAnthropicAnsweredByAnthropic(AnthropicSuite):
    registry_name, other_name = "haiku", "nano"


class TestChatAnthropicAnsweredByOpenAI(AnthropicSuite):
    registry_name, other_name = "nano", "haiku"


class TestOpenAIEmbeddings(EmbeddingsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _at(self, gateway: Mocked) -> None:
        type(self).url = gateway.url

    url = ""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        """Give what the client takes: text goes as text, for the table of tokens is on the net."""
        return {
            "base_url": f"{self.url}/v1",
            "api_key": "none",
            "model": "small",
            "max_retries": 0,
            "check_embedding_ctx_length": False,
            "default_headers": {"Connection": "close"},
        }
