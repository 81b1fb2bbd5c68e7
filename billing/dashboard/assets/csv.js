// Tables as CSV files (RFC 4180), made in the browser.

const FORMULA = /^[=+\-@\t\r']/;

// Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers.
export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// rows: lists of values, the titles first.
export const csv = (rows) => rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");

// Has the browser save `rows` under `name`. The mark at the beginning tells spreadsheets that it is UTF-8.
export function save(name, rows) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", csv(rows)], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
