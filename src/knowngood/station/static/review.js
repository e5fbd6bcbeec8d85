"use strict";
// The queue of the review: one key a decision; what was decided can be taken back.

const board = document.getElementById("review");

if (board) {
  const items = [...document.querySelectorAll("#queue button")];
  const done = []; // places in the queue that got a label here, the newest last
  let at = 0;
  let busy = false;
  const place = (id) => document.getElementById(id);

  function show(next) {
    at = Math.min(Math.max(next, 0), items.length - 1);
    const item = items[at];
    const image = place("picture");
    const address = `/api/v1/verdicts/${item.dataset.id}`;
    image.dataset.picture = `${address}/preview`;
    image.dataset.heatmap = `${address}/heatmap`;
    image.alt = `Part ${item.dataset.id}`;
    showViews();
    place("reason").textContent = `${capital(item.dataset.reason)}.`;
    place("said").textContent = item.dataset.label ? `You said: ${item.dataset.label}.` : `The inspector says: ${item.dataset.decision}.`;
    place("facts").textContent = item.dataset.facts;
    place("place").textContent = at + 1;
    for (const one of items) one.removeAttribute("aria-current");
    item.setAttribute("aria-current", "true");
    item.scrollIntoView({ block: "nearest", inline: "nearest" });
    place("done").hidden = !items.every((one) => one.dataset.label);
    if (items[at + 1]) new Image().src = `/api/v1/verdicts/${items[at + 1].dataset.id}/preview`;
  }

  function setBusy(is) {
    busy = is;
    board.setAttribute("aria-busy", String(is));
  }

  // A key that is pressed before the next part is shown would be for a part that nobody has seen: it is ignored.
  async function change(action) {
    if (busy) return;
    setBusy(true);
    place("refusal").hidden = true;
    try { await action(); } catch (error) {
      place("refusal").textContent = error.message;
      place("refusal").hidden = false;
    } finally { setBusy(false); }
  }

  function decide(decision, type) {
    change(async () => {
      const item = items[at];
      await ask("POST", `/api/v1/verdicts/${item.dataset.id}/labels`, type ? { decision, defect_type: type } : { decision });
      mark(item, type || decision);
      done.push(at);
      const open = items.findIndex((one, index) => index > at && !one.dataset.label);
      show(open >= 0 ? open : items.findIndex((one) => !one.dataset.label) >= 0 ? items.findIndex((one) => !one.dataset.label) : at);
    });
  }

  function undo() {
    change(async () => {
      if (!done.length) throw new Error("There is nothing to undo: you have labelled nothing since you opened this page.");
      const last = done[done.length - 1];
      await ask("DELETE", `/api/v1/verdicts/${items[last].dataset.id}/labels`);
      done.pop();
      mark(items[last], "");
      show(last);
    });
  }

  function mark(item, label) {
    item.dataset.label = label;
    if (!label) delete item.dataset.label;
    item.classList.toggle("labelled", Boolean(label));
    item.setAttribute("aria-label", `Part ${item.dataset.id}: ${label ? `labelled ${label}` : item.dataset.reason}`);
  }

  function press(button) {
    const key = button.dataset.key;
    if (key === "u") undo();
    else if (key === "ArrowLeft") show(at - 1);
    else if (key === "ArrowRight") show(at + 1);
    else decide(button.dataset.decision, button.dataset.type);
  }

  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const button = [...board.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (!button) return;
    event.preventDefault();
    press(button);
  });
  board.addEventListener("click", (event) => {
    const button = event.target.closest("[data-key]");
    if (button) press(button);
  });
  items.forEach((item, index) => item.addEventListener("click", () => show(index)));

  place("new-type").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = event.target.elements.type.value.trim();
    if (!name) return;
    event.target.reset();
    const types = place("types");
    if (![...types.children].some((one) => one.dataset.type === name) && types.children.length < 9) types.append(keyFor(name, types.children.length + 1));
    decide("defect", name);
    document.activeElement.blur();
  });

  function keyFor(name, number) {
    const button = document.createElement("button");
    const key = document.createElement("kbd");
    key.textContent = number;
    Object.assign(button.dataset, { key: String(number), decision: "defect", type: name });
    button.type = "button";
    button.className = "quiet";
    button.append(`${name} `, key);
    return button;
  }

  show(0);
}
