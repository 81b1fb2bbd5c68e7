// Files that are sent as they are, and what the API says of them, line by line.

import { upload } from "./api.js";
import { el, replace } from "./dom.js";
import { field } from "./parts.js";
import { failure } from "./states.js";
import { t } from "./texts.js";

// What was refused: each place in the file that is wrong, in the API's words.
export function refused(problem) {
  const { line, problem: reason, errors } = problem.facts ?? {};
  const found = problem.code === "manifest_unreadable" ? [{ field: line ? t("upload.line", { line }) : "", message: reason }]
    : problem.code === "validation_error" ? errors : null;
  if (!found?.length) return failure(problem);
  return el("div", { class: "notice bad", role: "alert" }, el("p", {}, t("upload.refused")),
    el("ul", { lang: "en" }, found.map(({ field: name, message }) => el("li", {}, el("code", {}, name), ` ${message}`))));
}

// A form that sends one or several files to `path`. `type(file)` is the type of its body, `query()` what stands in the
// address; `said(answer)` are the nodes to show, `done(answer)` hears of it afterwards.
export function uploading({ label, hint, accept, path, query = () => ({}), type, button, said, done = () => {}, more = [], multiple = false }) {
  const input = el("input", { type: "file", name: "file", accept, multiple, required: true });
  const answer = el("div", { "aria-live": "polite", class: "stack" });
  const send = el("button", { class: "primary" }, button);
  const form = el("form", { class: "stacked" }, field(label, input, { hint }), more, el("div", { class: "actions" }, send));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!input.files.length) return;
    send.disabled = true;
    replace(answer, el("p", { class: "muted" }, t("upload.sending")));
    try {
      const file = input.files.length === 1 ? input.files[0] : new Blob([...input.files].flatMap((one) => [one, "\n"]));
      const found = await upload(path, query(), file, type(input.files[0]));
      replace(answer, said(found));
      input.value = "";
      done(found);
    } catch (problem) {
      replace(answer, refused(problem));
    } finally {
      send.disabled = false;
    }
  });
  return { node: el("div", { class: "stack" }, form, answer), form };
}
