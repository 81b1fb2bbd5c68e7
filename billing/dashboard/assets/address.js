// Filters that live in the address, so that a link shows what its sender saw.

// What the address says of `names`: { status: "settled", model: "" }.
export function read(names) {
  const wanted = new URLSearchParams(location.search);
  return Object.fromEntries(names.map((name) => [name, wanted.get(name) ?? ""]));
}

// Writes `values` into the address, without what is empty, as a new entry of the history.
export function write(values) {
  const wanted = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === "" || value === null || value === undefined) wanted.delete(name);
    else wanted.set(name, value);
  }
  const text = wanted.toString();
  const address = text ? `${location.pathname}?${text}` : location.pathname;
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
}

// Binds a form's controls to the address: `onchange(values)` hears every change, also by the back button.
// Text fields change when they are left or the form is sent.
export function bind(form, names, onchange) {
  const values = () => Object.fromEntries(names.map((name) => [name, form.elements[name].value.trim()]));
  const set = (wanted) => names.forEach((name) => { form.elements[name].value = wanted[name]; });
  const changed = () => {
    write(values());
    onchange(values());
  };
  set(read(names));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    changed();
  });
  form.addEventListener("change", changed);
  addEventListener("popstate", () => {
    set(read(names));
    onchange(values());
  });
  return { values, clear: () => { set(Object.fromEntries(names.map((name) => [name, ""]))); changed(); } };
}

// A day of a date control as the instants where it begins and ends in the visitor's zone, in UTC.
export function dayStart(day) {
  return day ? instant(`${day}T00:00:00`) : "";
}

export function dayEnd(day) {
  if (!day) return "";
  const next = new Date(`${day}T00:00:00`);
  next.setDate(next.getDate() + 1);
  return instant(next);
}

function instant(moment) {
  const parsed = new Date(moment);
  return Number.isNaN(parsed.getTime()) ? "" : parsed.toISOString();
}
