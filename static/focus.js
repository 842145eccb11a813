// Where the keyboard is after a swap, what is said aloud, "/" for the search box, and no polling from a hidden tab.
(() => {
  "use strict";
  let last = "";
  const byId = (id) => (id ? document.getElementById(id) : null);

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-poll]")) return event.preventDefault();
    if (!event.target.matches("[data-poll]")) byId("request-failed")?.remove();
    last = document.activeElement?.id || "";
  });

  // A hidden tab stopped asking; the element listens with hx-trigger="load delay:1s, resume from:body".
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.body.dispatchEvent(new Event("resume"));
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    const { target, xhr } = event.detail;
    if (xhr.status >= 400) document.querySelector("#page-notice > .notice.ok")?.remove(); // "Saved" is not true of what was just refused
    const place = target.isConnected ? target : byId(target.id);
    const asked = place?.closest("[data-focus]") || place?.querySelector("[data-focus]");
    if (asked && (xhr.status >= 400 || !asked.dataset.focused)) {
      asked.dataset.focused = "yes";
      asked.focus();
    } else if (document.activeElement === document.body) {
      byId(last)?.focus({ preventScroll: true });
    }
    const words = place?.querySelector("[data-say]")?.dataset.say;
    if (words) byId("live").textContent = words;
  });

  const unreachable = () => {
    const notice = document.createElement("div");
    const title = document.createElement("h2");
    const body = document.createElement("p");
    notice.className = "notice bad";
    notice.id = "request-failed";
    notice.tabIndex = -1;
    title.textContent = "Quayside did not answer";
    body.textContent = "What you typed is still here and may not be saved. Check the connection and try again.";
    notice.append(title, body);
    byId("page-notice").replaceChildren(notice);
    notice.focus();
  };
  document.addEventListener("htmx:sendError", unreachable);
  document.addEventListener("htmx:timeout", unreachable);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !document.body.matches("[data-slash]")) return;
    const search = document.querySelector("input[type=search]");
    if (!search || event.target.closest("input, select, textarea, [contenteditable]")) return;
    event.preventDefault();
    search.focus();
  });
})();
