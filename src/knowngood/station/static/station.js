"use strict";
// What pages do while they are open: the token with every change, forms, the live line, the heatmap.

document.addEventListener("htmx:config:request", (event) => {
  const token = document.body.dataset.csrf;
  if (token) event.detail.ctx.request.headers["X-CSRF-Token"] = token;
});

// Asks for a route of the interface; gives its answer, or throws why it was refused.
function ask(method, address, body, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    request.setRequestHeader("X-CSRF-Token", document.body.dataset.csrf || "");
    if (!(body instanceof FormData)) request.setRequestHeader("Content-Type", "application/json");
    if (onProgress) request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    request.addEventListener("error", () => reject(new Error("The station does not answer. Try again in a moment.")));
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText || "{}"); } catch { /* an answer without content */ }
      if (request.status < 300) resolve(answer); else reject(new Error(refusal(request.status, answer.detail)));
    });
    request.send(body instanceof FormData ? body : JSON.stringify(body || {}));
  });
}

function refusal(status, detail) {
  if (status === 401) return "You are logged out. Log in again on another tab, then repeat this.";
  if (status === 413) return "This is too large.";
  if (Array.isArray(detail)) return detail.map((one) => `${one.loc[one.loc.length - 1]}: ${one.msg}`).join("; ");
  return detail || `The station answered with status ${status}.`;
}

// A form with data-send="METHOD address" is sent to that route: as JSON, or with its files where it has data-upload.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-send]");
  if (!form) return;
  event.preventDefault();
  if (form.dataset.sure && !window.confirm(form.dataset.sure)) return;
  const [method, path] = form.dataset.send.split(/ (.*)/);
  const button = event.submitter || form.querySelector("button");
  const said = form.querySelector(".refusal");
  const bar = form.querySelector("progress");
  const words = form.querySelector(".upload");
  if (said) said.hidden = true;
  button.disabled = true;
  try {
    const { body, query } = values(form);
    const onProgress = bar && ((done, total) => {
      bar.hidden = false;
      bar.value = done / total;
      words.textContent = done < total ? `${megabytes(done)} of ${megabytes(total)} MB sent` : "Sent. The station checks it.";
    });
    const answer = await ask(method, path + query, body, onProgress);
    if (form.dataset.show) showSecret(form, answer[form.dataset.show]);
    else follow(form, answer);
  } catch (error) {
    if (said) { said.textContent = error.message; said.hidden = false; } else window.alert(error.message);
  } finally {
    button.disabled = false;
    if (bar) { bar.hidden = true; words.textContent = ""; }
  }
});

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

function values(form) {
  const data = new FormData(form);
  const query = new URLSearchParams();
  for (const field of form.querySelectorAll("[data-query]")) { query.set(field.name, field.value); data.delete(field.name); }
  const found = {};
  for (const [name, value] of data) {
    const field = form.elements[name];
    if (field.dataset.number !== undefined) found[name] = Number(field.dataset.exact || value);
    else if (field.dataset.boolean !== undefined) found[name] = value !== "";
    else if (value !== "") found[name] = field.dataset.list !== undefined ? [value] : value;
  }
  return { body: form.dataset.upload === undefined ? found : data, query: query.size ? `?${query}` : "" };
}

function follow(form, answer) {
  const then = form.dataset.then;
  if (!then) window.location.reload();
  else if (then.startsWith("#")) { form.reset(); htmx.ajax("GET", `${window.location.pathname}/${then.slice(1)}`, { target: then, swap: "innerHTML" }); }
  else window.location.assign(then.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer[name])));
}

// A link or a secret that is shown this once.
function showSecret(form, secret) {
  let place = form.querySelector(".secret");
  if (!place) {
    place = document.createElement("p");
    place.className = "notice secret";
    place.setAttribute("role", "status");
    form.append(place);
  }
  const code = document.createElement("code");
  code.textContent = secret;
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "quiet";
  copy.textContent = "Copy";
  copy.addEventListener("click", () => navigator.clipboard.writeText(secret));
  place.replaceChildren("Shown this once, copy it now: ", code, " ", copy);
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

const QUIET = 25000; // milliseconds without a beat after which the connection counts as lost
const line = document.querySelector("[data-events]");

if (line) {
  const lost = document.getElementById("lost");
  const stopped = document.getElementById("stopped");
  let heard = Date.now();
  let shown = Date.now();
  let waiting = false;
  const events = new EventSource(line.dataset.events);
  const alive = () => { heard = Date.now(); lost.hidden = true; };
  events.addEventListener("open", () => { alive(); refresh(); });
  events.addEventListener("beat", alive);
  events.addEventListener("verdict", () => { alive(); refresh(); });
  events.addEventListener("error", () => { lost.hidden = false; });
  document.addEventListener("htmx:after:swap", () => { shown = Date.now(); tick(); });
  setInterval(tick, 1000);
  tick();

  // A fast line is shown twice a second, not with every part.
  function refresh() {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; htmx.trigger(line, "refresh"); }, 500);
  }

  // How long ago the last picture came, and whether that is too long.
  function tick() {
    if (Date.now() - heard > QUIET) lost.hidden = false;
    const part = line.querySelector("[data-age]");
    if (!part) return;
    const age = Number(part.dataset.age) + (Date.now() - shown) / 1000;
    part.querySelector("[data-ago]").textContent = `${inWords(age)} ago`;
    const late = age > Number(part.dataset.patience);
    if (late) stopped.textContent = `No picture for ${inWords(age)}. Look at the camera and the line.`;
    stopped.hidden = !late;
    part.classList.toggle("old", late);
  }
}

function inWords(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3600)} hours`;
}

let heat = false;

function showViews() {
  for (const button of document.querySelectorAll("[data-view=heatmap]")) button.setAttribute("aria-pressed", String(heat));
  for (const image of document.querySelectorAll("img[data-heatmap]")) {
    const wanted = heat ? image.dataset.heatmap : image.dataset.picture;
    if (image.getAttribute("src") !== wanted) image.setAttribute("src", wanted);
  }
}

function toggleHeat() { heat = !heat; showViews(); }

const isTyping = (target) => target.closest("input, select, textarea") !== null;

document.addEventListener("click", (event) => { if (event.target.closest("[data-view=heatmap]")) toggleHeat(); });
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "h" || isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("[data-view=heatmap]")) toggleHeat();
});
document.addEventListener("htmx:after:swap", showViews);
