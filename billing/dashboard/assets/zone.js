// The visitor's own time zone; UTC where the browser does not know it.

const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

export const zone = !own || own === "Etc/Unknown" ? "UTC" : own;
