// What an application in Node does with the official `openai` package; prints what it saw as one JSON object.
// Arguments: the gateway's address, and a JSON object of task to the model that it is for.
import OpenAI from "openai";

const [url, tasks] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "What is the weather in Paris and in Rome?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "Get the weather of a city",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const response_format = {
  type: "json_schema",
  json_schema: {
    name: "forecast",
    strict: true,
    schema: {
      type: "object",
      properties: { city: { type: "string" }, degrees: { type: "integer" } },
      required: ["city", "degrees"],
      additionalProperties: false,
    },
  },
};
const callsOf = (message) => message.tool_calls.map(({ function: { name, arguments: written } }) => [name, JSON.parse(written)]);

async function answered(model, message) {
  const results = message.tool_calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "21 degrees" }));
  const next = await client.chat.completions.create({ model, tools, messages: [...messages, message, ...results] });
  return next.choices[0].message.content;
}

const todo = {
  async text(model) {
    const { choices, usage, model: by } = await client.chat.completions.create({ model, messages });
    return { text: choices[0].message.content, finish: choices[0].finish_reason, tokens: usage.completion_tokens, by };
  },
  async stream(model) {
    const pieces = [];
    const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    stream.on("content", (piece) => pieces.push(piece));
    const { choices, usage } = await stream.finalChatCompletion();
    const text = choices[0].message.content;
    return { text, pieced: pieces.join("") === text, finish: choices[0].finish_reason, tokens: usage.completion_tokens };
  },
  async tools(model) {
    const { choices } = await client.chat.completions.create({ model, messages, tools, tool_choice: "required" });
    const [{ message, finish_reason: finish }] = choices;
    return { calls: callsOf(message), finish, next: await answered(model, message) };
  },
  async streamed_tools(model) {
    const stream = client.chat.completions.stream({ model, messages, tools, tool_choice: "required" });
    const { choices } = await stream.finalChatCompletion();
    return { calls: callsOf(choices[0].message), finish: choices[0].finish_reason };
  },
  async runner(model) {
    const asked = [];
    const run = client.chat.completions.runTools({
      model,
      messages,
      tools: [{ ...tools[0], function: { ...tools[0].function, parse: JSON.parse, function: ({ city }) => (asked.push(city), "21") } }],
    });
    return { text: await run.finalContent(), asked };
  },
  async schema(model) {
    const { choices } = await client.chat.completions.create({ model, messages, response_format });
    return { object: JSON.parse(choices[0].message.content) };
  },
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids };
  },
  unknown: (model) => raised(() => client.chat.completions.create({ model, messages })),
  limited: (model) => raised(() => client.chat.completions.create({ model, messages })),
  broken: (model) => raised(() => client.chat.completions.create({ model, messages, stream: true })),
  invalid: (model) => raised(() => client.chat.completions.create({ model, messages: "hello" })),
};

async function raised(ask) {
  try {
    await ask();
  } catch (error) {
    return { error: error.constructor.name, status: error.status, code: error.code, id: Boolean(error.headers?.get("x-rulegate-request-id")) };
  }
  return { error: null };
}

const seen = {};
for (const [task, model] of Object.entries(JSON.parse(tasks))) seen[task] = await todo[task](model);
console.log(JSON.stringify(seen));
