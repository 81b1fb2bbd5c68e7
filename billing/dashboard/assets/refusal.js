// What the API refused in a form, said beside the field that it is about.

import { el } from "./dom.js";
import { failure } from "./states.js";
import { known, t, whole } from "./texts.js";

// clear(form) takes away what was said before.
export function clear(form) {
  for (const node of form.querySelectorAll(".wrong")) node.remove();
  for (const control of form.elements) {
    if (!control.hasAttribute("aria-invalid")) continue;
    control.removeAttribute("aria-invalid");
    describe(control, control.dataset.described ?? "");
  }
}

// Says `text` below the control named `name`; false where the form shows no such control.
export function complain(form, name, text) {
  const control = form.elements[name];
  if (!control?.closest || control.closest("[hidden]")) return false;
  const note = el("p", { class: "wrong", role: "alert", id: `${control.id}-wrong` }, text);
  control.dataset.described ??= control.getAttribute("aria-describedby") ?? "";
  control.setAttribute("aria-invalid", "true");
  describe(control, `${control.dataset.described} ${note.id}`.trim());
  control.after(note);
  return true;
}

// Says what a Problem says: beside the fields that it names, or in the node that is returned (null if all is said).
// `fields` are the controls that refusals are about, by code; `facts` are more values for their texts.
export function refuse(form, problem, fields = {}, facts = {}) {
  clear(form);
  if (problem.code === "validation_error") {
    const left = (problem.facts.errors ?? []).filter(({ field, message }) =>
      !complain(form, field, known(`invalid.${field}`) ? t(`invalid.${field}`, facts) : message));
    return left.length || !problem.facts.errors?.length ? failure(problem) : null;
  }
  const said = fields[problem.code] && complain(form, fields[problem.code], words(problem, facts));
  return said ? null : failure(problem);
}

function words(problem, facts) {
  const values = Object.fromEntries(Object.entries({ ...facts, ...problem.facts }).map(([name, value]) =>
    [name, typeof value === "number" && value >= 10_000 ? whole(value) : value])); // lengths in pixels stay as they are typed
  const rule = `refusal.${problem.code}.${problem.facts.rule}`;
  const name = known(rule) ? rule : `refusal.${problem.code}`;
  return known(name) ? t(name, values) : problem.message;
}

function describe(control, ids) {
  if (ids) control.setAttribute("aria-describedby", ids);
  else control.removeAttribute("aria-describedby");
}
