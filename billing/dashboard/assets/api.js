// The API, under the key that is signed in. Integers too large for a JavaScript number arrive as BigInt.

import { language } from "./page.js";
import { t } from "./texts.js";

const WAIT_MS = 20_000;
const UPLOAD_MS = 600_000;

// What the API refused, or that it could not be reached (status 0). `code` and the facts are those of the problem.
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? t("state.unreachable"));
    this.status = status;
    this.code = document.code ?? "unreachable";
    this.facts = document;
  }
}

// get(accountPath("charges"), { status: "settled", cursor: null }) leaves out what is null or empty.
export const get = (path, query = {}, options = {}) => call("GET", address(path, query), undefined, options);

// The address with its query, for links to what the API lets a browser download.
export function address(path, query = {}) {
  const wanted = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== null && one !== undefined && one !== "")
      .map((one) => [name, one]),
  );
  const text = new URLSearchParams(wanted).toString();
  return text ? `${path}?${text}` : path;
}

// A file as it is, of a type that the API reads. Long ones take long.
export const upload = (path, query, file, type) => call("POST", address(path, query), file, { type, wait: UPLOAD_MS });

export const post = (path, body = {}, options = {}) => call("POST", path, body, options);
export const put = (path, body = {}, options = {}) => call("PUT", path, body, options);
export const patch = (path, body = {}, options = {}) => call("PATCH", path, body, options);
export const remove = (path, options = {}) => call("DELETE", path, undefined, options);

// Has the browser save a file under `name`, or says why there is none. For files that fit into memory; others are links.
export async function download(path, query, name) {
  const file = await call("GET", address(path, query), undefined, { file: true, wait: UPLOAD_MS });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Each page of a list in turn: for await (const items of pages(path, query)) …
export async function* pages(path, query = {}) {
  for (let cursor = null; ; ) {
    const page = await get(path, { limit: 200, ...query, cursor });
    yield page.data;
    if (!page.has_more) return;
    cursor = page.next_cursor;
  }
}

// What `get` says, or `otherwise` where there is no such thing (404).
export async function getOr(otherwise, path, query = {}, options = {}) {
  try {
    return await get(path, query, options);
  } catch (problem) {
    if (problem.status === 404) return otherwise;
    throw problem;
  }
}

async function call(method, path, body, { signal, type = "application/json", wait = WAIT_MS, file = false } = {}) {
  const headers = { Accept: "application/json", "Accept-Language": language };
  if (method !== "GET") headers["X-Billing-Dashboard"] = "1";
  if (body !== undefined) headers["Content-Type"] = type;
  const limit = AbortSignal.timeout(wait);
  let response, text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (file && response.ok) return await response.blob();
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, { detail: t("state.unreachable") });
  }
  if (response.status === 401) {
    location.assign(`/sign-in?${new URLSearchParams({ next: location.pathname + location.search })}`);
    return new Promise(() => {}); // the page is being left
  }
  const answer = read(text);
  if (!response.ok) throw new Problem(response.status, answer ?? {});
  return answer;
}

function read(text) {
  try {
    return JSON.parse(text, exact);
  } catch {
    return null;
  }
}

// A reviver for JSON.parse.
export function exact(key, value, context) {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  return context && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}
