"use strict";
(() => {
  const detail = document.getElementById("detail");
  const hint = detail ? detail.textContent : "";
  const say = (element) => {
    const title = element && element.querySelector("title");
    detail.textContent = title ? title.textContent : hint;
  };
  const light = (row) => {
    for (const edge of document.querySelectorAll(".edge[data-ends]")) {
      edge.classList.toggle("lit", row !== null && edge.dataset.ends.split(" ").includes(row));
    }
  };
  for (const node of document.querySelectorAll(".node")) {
    for (const event of ["mouseenter", "focus"]) {
      node.addEventListener(event, () => { say(node); light(node.dataset.row); });
    }
    for (const event of ["mouseleave", "blur"]) {
      node.addEventListener(event, () => { light(null); });
    }
  }
  for (const edge of document.querySelectorAll(".edge[data-ends]")) {
    edge.addEventListener("mouseenter", () => { say(edge); });
  }
  const unfold = () => {
    const row = location.hash && document.getElementById(location.hash.slice(1));
    for (let fold = row && row.closest("details"); fold; fold = fold.parentElement.closest("details")) { fold.open = true; }
    if (row) { row.scrollIntoView(); }
  };
  window.addEventListener("hashchange", unfold);
  unfold();
  const save = document.getElementById("save");
  save.hidden = false;
  save.addEventListener("click", () => {
    const text = document.getElementById("lineage-json").textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "lineage-report.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) { fold.open = true; }
  });
})();
