// The list's check boxes: one for all rows of the page, and how many are chosen, said in the bar.
(() => {
  "use strict";
  const rows = () => [...document.querySelectorAll("#chosen .pick")];
  const tell = () => {
    const page = document.getElementById("pick-page");
    const words = document.getElementById("picked");
    if (!page || !words) return;
    const ticked = rows().filter((row) => row.checked).length;
    const all = document.getElementById("pick-all").checked;
    page.checked = ticked > 0 && ticked === rows().length;
    page.indeterminate = ticked > 0 && !page.checked;
    words.textContent = all ? "All that match are chosen" : ticked ? `${ticked} chosen` : "None chosen";
  };
  const begin = () => {
    document.querySelectorAll("#pick-page-cell[hidden], #picked[hidden]").forEach((one) => (one.hidden = false));
    tell();
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-page") rows().forEach((row) => (row.checked = event.target.checked));
    if (event.target.closest("#chosen")) tell();
  });
  document.addEventListener("htmx:afterSettle", begin);
  begin();
})();
