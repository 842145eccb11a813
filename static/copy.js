// What only a script can do, on buttons that stay hidden without one:
// <button hidden data-copy="id of a text"> copies it, <button hidden data-show="id of a password field"> shows what is typed.
(() => {
  "use strict";
  const show = () => document.querySelectorAll("[data-copy][hidden], [data-show][hidden]").forEach((button) => { button.hidden = false; });

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

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show]");
    if (!button) return;
    const input = document.getElementById(button.dataset.show);
    input.type = input.type === "password" ? "text" : "password";
    button.querySelector("span").textContent = input.type === "password" ? "Show" : "Hide";
  });

  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:afterSettle", show);
})();
