// The page reads well without this: it adds sorting, filters and the slider, and opens a row by a click on it.
"use strict";
(() => {
  const table = document.querySelector(".images");
  if (table) {
    const rows = [...table.tBodies];
    const form = document.querySelector(".filter");
    const shown = form.querySelector("output");
    const texts = new Map(rows.map((row) => [row, row.rows[0].textContent.toLowerCase()]));

    const filter = () => {
      const words = form.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const { label, type, decision } = form;
      let count = 0;
      for (const row of rows) {
        const data = row.dataset;
        row.hidden =
          (label.value && data.label !== label.value) ||
          (type.value && data.type !== type.value) ||
          (decision.value && data.decision !== decision.value && data.error !== decision.value) ||
          !words.every((word) => texts.get(row).includes(word));
        count += !row.hidden;
      }
      shown.value = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} images`;
    };
    form.hidden = false;
    table.classList.add("live");
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    filter();

    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const number = head.dataset.number !== undefined;
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : number;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.rows[0].cells[column].dataset.value ?? row.rows[0].cells[column].textContent.trim();
        const keys = new Map(rows.map((row) => [row, number ? Number(value(row)) : value(row)]));
        const compare = new Intl.Collator("en", { numeric: true }).compare;
        rows.sort((one, other) => {
          const order = number ? keys.get(one) - keys.get(other) : compare(keys.get(one), keys.get(other));
          return down ? -order : order;
        });
        table.append(...rows);
      });
    });

    table.addEventListener("click", (event) => {
      const row = event.target.closest("tbody > tr:first-child");
      if (!row || event.target.closest("summary, a") || String(getSelection())) return;
      const details = row.querySelector("details");
      if (details) details.open = !details.open;
    });
  }

  const slider = document.querySelector(".slider");
  if (slider) {
    const stops = JSON.parse(document.getElementById("stops").textContent);
    const input = slider.querySelector("input");
    const show = () => {
      const [allowed, sentence, command] = stops[input.value];
      input.setAttribute("aria-valuetext", allowed);
      slider.querySelector("b").textContent = allowed;
      slider.querySelector("output").textContent = sentence;
      slider.querySelector("code").textContent = command;
    };
    slider.hidden = false;
    input.addEventListener("input", show);
    show();
  }

  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details.folded")) folded.open = true;
    for (const image of document.querySelectorAll("tbody:has(details[open]) > .more img")) image.loading = "eager";
  });
})();
