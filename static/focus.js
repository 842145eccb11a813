// Where the keyboard is after a swap, what is said aloud, and "/" for the search box. Nothing else needs a script of ours.
(() => {
  "use strict";
  let last = null;

  const say = (words) => {
    const live = document.getElementById("live");
    if (live && words) live.textContent = words;
  };

  const focusOn = (element) => {
    if (!element.hasAttribute("tabindex") && !element.matches("a, button, input, select, textarea, summary")) element.tabIndex = -1;
    element.focus({ preventScroll: false });
  };

  document.addEventListener("htmx:beforeRequest", () => {
    const active = document.activeElement;
    last = active && active !== document.body ? active.id : null;
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    const place = event.detail.target.isConnected ? event.detail.target : document.getElementById(event.detail.target.id);
    const status = event.detail.xhr.status;
    const asked = place && (place.matches("[data-focus]") ? place : place.querySelector("[data-focus]"));
    if (asked && (status >= 400 || !asked.dataset.focused)) {
      asked.dataset.focused = "yes";
      focusOn(asked);
    } else if (last && document.activeElement === document.body) {
      const same = document.getElementById(last);
      if (same) same.focus({ preventScroll: true });
    }
    const words = place && place.querySelector("[data-say]");
    if (words) say(words.dataset.say);
  });

  const unreachable = () => say("Quayside did not answer. Nothing was saved. Check the connection and try again.");
  document.addEventListener("htmx:sendError", unreachable);
  document.addEventListener("htmx:timeout", unreachable);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const search = document.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
  });
})();
