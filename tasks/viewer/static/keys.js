// Keyboard: / search, j k next and previous row, Enter open, n next page. Rows are links as a whole for the mouse too.
"use strict";
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest && event.target.closest("input, textarea, select");
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && typing && typing.matches("[data-submit]")) {
    event.preventDefault();
    typing.form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // keys of the page's own: a text field takes the focus, anything else is pressed, once however long the key is held
  const own = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === event.key);
  if (own) {
    event.preventDefault();
    if (own.matches("input, textarea")) own.focus();
    else if (!event.repeat && !document.body.dataset.sent) {
      own.click();
      const field = own.matches("summary") && own.parentElement.open ? own.parentElement.querySelector("textarea") : null;
      if (field) field.focus();
    }
    return;
  }
  const rows = [...document.querySelectorAll("[data-href]")];
  const at = rows.indexOf(document.activeElement.closest ? document.activeElement.closest("[data-href]") : null);
  if (event.key === "/") {
    const search = document.getElementById("q") || document.querySelector("header input");
    if (search) { search.focus(); event.preventDefault(); }
  } else if (event.key === "j" || event.key === "k") {
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "j" ? 1 : -1)))];
    if (next) { next.focus(); next.scrollIntoView({block: "nearest"}); }
  } else if (event.key === "Enter" && at >= 0 && document.activeElement === rows[at]) {
    location.assign(rows[at].dataset.href);
  } else if (event.key === "n") {
    const next = document.querySelector("a[rel=next]");
    if (next) next.click();
  }
});
// a judgement is sent once
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.judge")) return;
  if (document.body.dataset.sent) event.preventDefault();
  else document.body.dataset.sent = "yes";
});
addEventListener("pageshow", () => { delete document.body.dataset.sent; });
// on a narrow screen the filters begin closed
if (matchMedia("(max-width: 60rem)").matches) {
  for (const facets of document.querySelectorAll("details.facets")) facets.open = false;
}
