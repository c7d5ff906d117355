// What the pages do beside htmx. Without it they still work: every form and link here is a plain one.
"use strict";

// The box in the head of a table ticks all boxes of that name below it; it is shown only where this runs.
function ready(root) {
  for (const all of root.querySelectorAll("input[data-all]")) all.hidden = false;
}

document.addEventListener("change", (event) => {
  const all = event.target;
  if (all.matches?.("input[data-all]")) {
    for (const box of all.closest("table").querySelectorAll(`tbody input[name="${all.dataset.all}"]`)) {
      box.checked = all.checked;
    }
  }
});

// What refreshes itself does not while nobody looks.
document.addEventListener("htmx:confirm", (event) => {
  if (event.target.closest?.("[data-live]") && document.hidden) event.preventDefault();
});

// What changes something says which page it comes from; fields that are empty need not stand in an address.
document.addEventListener("htmx:configRequest", (event) => {
  const { formData, headers, verb } = event.detail;
  if (verb !== "get") headers["X-CSRF"] = document.querySelector('meta[name="csrf"]').content;
  if (verb !== "get" || !formData) return;
  for (const [name, value] of [...formData.entries()]) if (value === "") formData.delete(name);
});

// An error is a whole page, and so is the log-in: the browser goes there itself. What refreshes itself just stops.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, pathInfo, elt } = event.detail;
  if (xhr.status < 400) return;
  if (elt.hasAttribute("data-live")) return;
  event.preventDefault();
  location.assign(pathInfo.finalRequestPath || pathInfo.requestPath);
});

// What takes long says so; the answer is a page of its own, and what the browser kept of this one is not shown again.
document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (target.method !== "post" || event.defaultPrevented) return;
  submitter?.setAttribute("aria-busy", "true");
  setTimeout(() => { document.getElementById("note").textContent = "Working\u2026"; }, 500);
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

document.addEventListener("htmx:load", (event) => ready(event.detail.elt));
ready(document);
