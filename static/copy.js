// "Copy" buttons: <button hidden data-copy="id of the text">. Shown only where a script can copy; the text itself needs none.
(() => {
  "use strict";
  const show = () => document.querySelectorAll("[data-copy][hidden]").forEach((button) => { button.hidden = false; });

  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  const copy = async (element) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(element.textContent.trim());
    select(element); // without HTTPS browsers only copy what is selected
    if (!document.execCommand("copy")) throw new Error("not copied");
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const element = document.getElementById(button.dataset.copy);
    const live = document.getElementById("live");
    const words = button.querySelector("span");
    try {
      await copy(element);
      words.textContent = "Copied";
    } catch {
      select(element);
      words.textContent = "Selected, press Ctrl+C";
    }
    if (live) live.textContent = words.textContent;
  });

  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:afterSettle", show);
})();
