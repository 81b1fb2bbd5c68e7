// A statement as it comes over the wire: its header, and then no more movements than anybody reads on a screen.

import { Problem, exact } from "./api.js";
import { t } from "./texts.js";

const MOVEMENTS = '"movements": [';

// { header, movements }: at most `most` of them. The rest is not fetched.
export async function statement(path, most) {
  let response;
  try {
    response = await fetch(path, { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" });
  } catch {
    throw new Problem(0, { detail: t("state.unreachable") });
  }
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let header = null;
  const movements = [];
  try {
    while (movements.length < most) {
      const { value, done } = await pieces.read();
      if (done) break;
      text += value;
      if (!header) {
        const end = text.indexOf(MOVEMENTS);
        if (end < 0) continue;
        header = JSON.parse(`${text.slice(0, end)}"movements": []}`, exact);
        text = text.slice(end + MOVEMENTS.length);
      }
      const lines = text.split("\n"); // one movement each
      text = lines.pop();
      for (const line of lines.slice(0, most - movements.length + 1)) {
        if (line.startsWith("{") && movements.length < most) movements.push(JSON.parse(line.replace(/,$/, ""), exact));
      }
    }
  } finally {
    pieces.cancel().catch(() => {});
  }
  if (!header) throw new Problem(0, { detail: t("state.unreachable") });
  return { header, movements };
}
