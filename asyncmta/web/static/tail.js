// The end of the log, followed or not, and announced to screen readers only where that is wanted.
"use strict";

const follow = document.getElementById("follow");
const announce = document.getElementById("announce");
const news = document.getElementById("news");
let last = Number(document.getElementById("lines").dataset.last);

document.getElementById("tail").hidden = false;

announce.addEventListener("change", () => news.setAttribute("aria-live", announce.checked ? "polite" : "off"));

document.addEventListener("htmx:confirm", (event) => {
  // Whoever is inside the table with the keyboard, or has marked text of it, is not to lose the place.
  const lines = document.getElementById("lines");
  const isBusy = lines.contains(document.activeElement) || !document.getSelection().isCollapsed;
  if (event.target.closest?.("[data-follow]") && (!follow.checked || isBusy)) event.preventDefault();
});

// What does not go on says so.
const stale = document.getElementById("stale");
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(name, () => {
    stale.hidden = false;
  });
}

document.addEventListener("htmx:afterSwap", () => {
  stale.hidden = true;
  const now = Number(document.getElementById("lines").dataset.last);
  if (now !== last && announce.checked) news.textContent = `${Math.max(now - last, 1)} new lines`;
  last = now;
});
