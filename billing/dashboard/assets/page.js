// The page that this script is on: whose account, under which role, in which language.

const { lang, dataset: root } = document.documentElement;
const { role, account, ...ids } = document.body.dataset;

export const language = lang;
export const textsAddress = root.texts;

// The role of the key that is signed in: admin, finance, gateway or account.
export { role };

// The account that is looked at, or undefined on pages across accounts.
export { account };

// Whatever else the address names, such as `requestId`.
export { ids };

export const content = document.getElementById("content");

// The API's address of something of this account: accountPath("charges", "req-1", "explain").
export function accountPath(...segments) {
  return ["/v1/accounts", account, ...segments].map((part, i) => (i ? encodeURIComponent(part) : part)).join("/");
}

// The dashboard's address of a page of an account (this one, unless another is named).
export function pagePath(...segments) {
  return pagePathOf(account, ...segments);
}

export function pagePathOf(accountId, ...segments) {
  return ["/accounts", ...[accountId, ...segments].map(encodeURIComponent)].join("/");
}
