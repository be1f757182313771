"use strict";
(() => {
  const tools = document.querySelector(".tools");
  const search = document.getElementById("search");
  const kind = document.getElementById("kind");
  const unfold = document.getElementById("unfold");
  const matches = document.getElementById("matches");
  const count = Number(tools.dataset.models);
  const most = 12; // families that a search unfolds by itself
  const families = [...document.querySelectorAll(".family")].map((fold) => ({
    fold,
    wasOpen: fold.open,
    rows: [...fold.querySelectorAll("tbody tr")].map((row) => ({
      row, text: row.cells[0].textContent.toLowerCase(), kinds: row.dataset.kind.split(" "),
    })),
  }));

  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    const sort = kind.value;
    const found = [];
    let models = 0;
    for (const family of families) {
      const lit = new Set();
      const names = new Set();
      for (const one of family.rows) {
        const fits = one.text.includes(wanted) && (sort === "" || one.kinds.includes(sort));
        one.row.hidden = !fits;
        if (fits) {
          names.add(one.text);
          if (one.row.cells[0].id) { lit.add(one.row.cells[0].id); }
        }
      }
      models += names.size;
      family.fold.hidden = names.size === 0;
      if (names.size > 0) { found.push(family); }
      for (const node of family.fold.querySelectorAll(".node")) {
        node.classList.toggle("lit", wanted !== "" && lit.has(node.dataset.row));
      }
    }
    const isFiltered = wanted !== "" || sort !== "";
    for (const family of families) {
      family.fold.open = isFiltered ? found.length <= most && found.includes(family) : family.wasOpen;
    }
    matches.textContent = isFiltered
      ? matches.dataset.text.replace("##", count.toLocaleString()).replace("#", models.toLocaleString()) : "";
  };

  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  kind.addEventListener("change", filter);
  unfold.addEventListener("click", () => {
    const open = !families.every((family) => family.fold.open);
    for (const family of families) { family.fold.open = open; family.wasOpen = open; }
    const label = unfold.textContent;
    unfold.textContent = unfold.dataset.fold;
    unfold.dataset.fold = label;
  });
  window.addEventListener("beforeprint", () => {
    for (const family of families) { family.fold.open = true; }
  });
  tools.hidden = false;
})();
