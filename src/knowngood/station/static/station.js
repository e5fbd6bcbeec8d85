"use strict";
// What pages do while they are open: the token with every change, the live line, the heatmap.

document.addEventListener("htmx:config:request", (event) => {
  const token = document.body.dataset.csrf;
  if (token) event.detail.ctx.request.headers["X-CSRF-Token"] = token;
});

const QUIET = 25000; // milliseconds without a beat after which the connection counts as lost
const line = document.querySelector("[data-events]");

if (line) {
  const lost = document.getElementById("lost");
  let heard = Date.now();
  let waiting = false;
  const events = new EventSource(line.dataset.events);
  const alive = () => { heard = Date.now(); lost.hidden = true; };
  events.addEventListener("open", () => { alive(); refresh(); });
  events.addEventListener("beat", alive);
  events.addEventListener("verdict", () => { alive(); refresh(); });
  events.addEventListener("error", () => { lost.hidden = false; });
  setInterval(() => { if (Date.now() - heard > QUIET) lost.hidden = false; }, 1000);

  // A fast line is shown twice a second, not with every part.
  function refresh() {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; htmx.trigger(line, "refresh"); }, 500);
  }
}

let heat = false;

function showViews() {
  for (const button of document.querySelectorAll("[data-view=heatmap]")) button.setAttribute("aria-pressed", String(heat));
  for (const image of document.querySelectorAll("img[data-heatmap]")) {
    const wanted = heat ? image.dataset.heatmap : image.dataset.picture;
    if (image.getAttribute("src") !== wanted) image.setAttribute("src", wanted);
  }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-view=heatmap]")) return;
  heat = !heat;
  showViews();
});
document.addEventListener("htmx:after:swap", showViews);
