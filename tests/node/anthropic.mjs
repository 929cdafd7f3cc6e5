// What an application in Node does with the official `@anthropic-ai/sdk`; prints what it saw as one JSON object.
// Arguments: the gateway's address, and a JSON object of task to the model that it is for.
import Anthropic from "@anthropic-ai/sdk";

const [url, tasks] = process.argv.slice(2);
const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "What is the weather in Paris and in Rome?" }];
const max_tokens = 300;
const tools = [
  {
    name: "get_weather",
    description: "Get the weather of a city",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];
const textOf = ({ content }) => content.filter(({ type }) => type === "text").map(({ text }) => text).join("");
const callsOf = ({ content }) => content.filter(({ type }) => type === "tool_use").map(({ name, input }) => [name, input]);

async function answered(model, { content }) {
  const results = content
    .filter(({ type }) => type === "tool_use")
    .map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "21 degrees" }));
  const turns = [...messages, { role: "assistant", content }, { role: "user", content: results }];
  return textOf(await client.messages.create({ model, max_tokens, tools, messages: turns }));
}

const todo = {
  async text(model) {
    const message = await client.messages.create({ model, max_tokens, messages });
    return { text: textOf(message), finish: message.stop_reason, tokens: message.usage.output_tokens, by: message.model };
  },
  async stream(model) {
    const pieces = [];
    const stream = client.messages.stream({ model, max_tokens, messages });
    stream.on("text", (piece) => pieces.push(piece));
    const message = await stream.finalMessage();
    const text = textOf(message);
    return { text, pieced: pieces.join("") === text, finish: message.stop_reason, tokens: message.usage.output_tokens };
  },
  async tools(model) {
    const message = await client.messages.create({ model, max_tokens, messages, tools, tool_choice: { type: "any" } });
    return { calls: callsOf(message), finish: message.stop_reason, next: await answered(model, message) };
  },
  async streamed_tools(model) {
    const body = { model, max_tokens, messages, tools, tool_choice: { type: "any" } };
    const message = await client.messages.stream(body).finalMessage();
    return { calls: callsOf(message), finish: message.stop_reason };
  },
  async schema(model) {
    const format = {
      type: "json_schema",
      schema: {
        type: "object",
        properties: { city: { type: "string" }, degrees: { type: "integer" } },
        required: ["city", "degrees"],
        additionalProperties: false,
      },
    };
    const message = await client.messages.create({ model, max_tokens, messages, output_config: { format } });
    return { object: JSON.parse(textOf(message)) };
  },
  async thinking(model) {
    const thinking = { type: "enabled", budget_tokens: 2000 };
    const thoughts = [];
    const stream = client.messages.stream({ model, max_tokens: 4000, messages, thinking });
    stream.on("thinking", (piece) => thoughts.push(piece));
    const message = await stream.finalMessage();
    const [thought] = message.content;
    return {
      kinds: message.content.map(({ type }) => type),
      pieced: thoughts.join("") === (thought.thinking ?? ""),
      thought: thought.thinking ?? "",
      signature: thought.signature ?? thought.data ?? "",
      text: textOf(message),
    };
  },
  async count(model) {
    return { tokens: (await client.messages.countTokens({ model, messages })).input_tokens };
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids };
  },
  unknown: (model) => raised(() => client.messages.create({ model, max_tokens, messages })),
  limited: (model) => raised(() => client.messages.create({ model, max_tokens, messages })),
  broken: (model) => raised(() => client.messages.create({ model, max_tokens, messages, stream: true })),
  invalid: (model) => raised(() => client.messages.create({ model, max_tokens, messages: "hello" })),
};

async function raised(ask) {
  try {
    await ask();
  } catch (error) {
    return { error: error.constructor.name, status: error.status, code: error.type, id: Boolean(error.headers?.get("x-rulegate-request-id")) };
  }
  return { error: null };
}

const seen = {};
for (const [task, model] of Object.entries(JSON.parse(tasks))) seen[task] = await todo[task](model);
console.log(JSON.stringify(seen));
