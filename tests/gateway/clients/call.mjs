// Calls a gateway from Node as its README says: one JSON document per line of stdin, one per line of stdout.
//
//   {"id", "client", "url", "key", "wish", "name", "repeats", "seconds"}
//       `wish` has OpenAI's parameters, `image` as base64; `name` is the idempotency key; repeats and time-out are the
//       client's own where they are null
//   {"id", "images", "credits", "events"} or {"id", "error": {"kind", "message", "cause", "status", "code"}}
//       images are the SHA-256 of their bytes; credits what the client lets its caller know of the bill

import { createHash } from "node:crypto"
import { createInterface } from "node:readline"
import { createOpenAI } from "@ai-sdk/openai"
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { generateImage } from "ai"
import OpenAI, { toFile } from "openai"
import OpenAI6 from "openai-6"

globalThis.AI_SDK_LOG_WARNINGS = false

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex")
const decoded = (text) => Buffer.from(text, "base64")
const named = (name) => (name ? { headers: { "Idempotency-Key": name } } : {})
const given = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value != null))

async function ofOpenAI(Client, { url, key, wish, name, repeats, seconds, option }) {
  const client = new Client({ baseURL: url, apiKey: key })
  const each = given({ ...named(name), maxRetries: repeats, timeout: seconds && seconds * 1000, idempotencyKey: option })
  const { image, ...asked } = wish
  const answer = image
    ? await client.images.edit({ ...asked, image: await toFile(decoded(image), "day.png", { type: "image/png" }) }, each)
    : await client.images.generate(asked, each)
  if (!asked.stream) return { images: answer.data.map((one) => digest(decoded(one.b64_json))), credits: answer.billing?.credits }
  const events = []
  for await (const event of answer) events.push(event)
  const last = events.at(-1)
  const credits = last.billing?.credits
  return { images: [digest(decoded(last.b64_json))], credits, events: events.map((event) => event.type) }
}

async function ofAI(imageModel, options, { wish, name, repeats, seconds }) {
  const { model, prompt, n, size, image, maxImagesPerCall, ...more } = wish
  const result = await generateImage({
    model: imageModel(model),
    prompt: image ? { text: prompt, images: [decoded(image)] } : prompt,
    providerOptions: { [options]: more },
    ...named(name),
    ...given({ n, size, maxImagesPerCall, maxRetries: repeats, abortSignal: seconds && AbortSignal.timeout(seconds * 1000) }),
  })
  const bills = result.responses.map((one) => Number(one.headers?.["x-billing-credits"]))
  return { images: result.images.map((one) => digest(one.uint8Array)), credits: bills.reduce((sum, one) => sum + one) }
}

const clients = {
  openai: (asked) => ofOpenAI(OpenAI, asked),
  "openai-6": (asked) => ofOpenAI(OpenAI6, asked),
  ai: (asked) => ofAI(createOpenAI({ baseURL: asked.url, apiKey: asked.key }).image, "openai", asked),
  "ai-compatible": (asked) =>
    ofAI(createOpenAICompatible({ name: "gateway", baseURL: asked.url, apiKey: asked.key }).imageModel, "gateway", asked),
}

function told(error) {
  const last = error.lastError ?? error
  let cause = last
  while (cause.cause instanceof Error) cause = cause.cause
  return {
    kind: error.constructor.name,
    message: last.message,
    cause: cause.code ?? cause.constructor.name,
    status: last.status ?? last.statusCode ?? null,
    code: last.code ?? last.data?.error?.code ?? null,
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, client, ...asked } = JSON.parse(line)
  clients[client](asked).then(
    (answer) => console.log(JSON.stringify({ id, ...answer })),
    (error) => console.log(JSON.stringify({ id, error: told(error) })),
  )
}
