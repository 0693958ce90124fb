// The official OpenAI client for JavaScript: asks what ASKED (a JSON file) says, prints what it got as JSON.
//   node openai_javascript.mjs ASKED   (beside node_modules/openai)
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const asked = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { model, messages, max_tokens, prompts } = asked;
const client = new OpenAI({ baseURL: `${asked.url}/v1`, apiKey: "none", maxRetries: 0 });
const chat = { model, messages, max_tokens, temperature: 0 };

const failure = async (promise) => {
  try {
    await promise;
    return null;
  } catch (e) {
    return { class: e.constructor.name, status: e.status ?? null, message: e.message };
  }
};

const streamed = async () => {
  let text = "", usage = null;
  const stream = await client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { text, usage };
};

const cut = async () => {
  const stream = await client.chat.completions.create({ ...chat, max_tokens: 500, stream: true });
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 3) break; // the client aborts the request
  return chunks;
};

const plain = await client.chat.completions.create({ ...chat, logprobs: true, top_logprobs: 2 });
const completions = await Promise.all(prompts.map((prompt) => client.completions.create({ model, prompt, max_tokens, temperature: 0 })));
const echoed = await client.completions.create({ model, prompt: prompts[0], max_tokens: 1, temperature: 0, echo: true, logprobs: 1 });
const response = await client.responses.create({ model, input: messages, max_output_tokens: max_tokens, temperature: 0 });

console.log(JSON.stringify({
  models: (await client.models.list()).data.map((m) => m.id),
  chat: { text: plain.choices[0].message.content, usage: plain.usage, logprobs: plain.choices[0].logprobs.content.map((c) => c.logprob) },
  streamed: await streamed(),
  completions: completions.map((c) => c.choices[0].text),
  echo: echoed.choices[0].logprobs.token_logprobs,
  responses: response.output_text,
  cut_after: await cut(),
  errors: {
    refused: await failure(client.chat.completions.create({ ...chat, allowed_token_ids: [1] })),
    unknown_model: await failure(client.chat.completions.create({ ...chat, model: "nobody" })),
  },
}));
