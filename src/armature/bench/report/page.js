// Draws the page's plots when they can be seen, and hides lines when their name in a legend is clicked.
"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { responsive: true, displayModeBar: false };
const PAPER = { alone: 680, beside: 330 }; // pixels of a plot on a printed page: paper is no window, and nobody tells plotly of it

function drawn(where) {
  return [...where.querySelectorAll(".js-plotly-plot")];
}

function draw(where) {
  for (const at of where.querySelectorAll(".plot:not(.js-plotly-plot)")) {
    const { data, layout } = figures[at.dataset.figure];
    if (!at.closest("details:not([open])")) Plotly.newPlot(at, data, layout, options);
  }
}

function hide(button) {
  const hidden = button.classList.toggle("hidden");
  button.setAttribute("aria-pressed", String(!hidden));
  for (const plot of drawn(button.closest("figure") ?? button.closest(".panel"))) {
    const lines = plot.data.flatMap((line, i) => (line.name === button.dataset.name ? [i] : []));
    if (lines.length) Plotly.restyle(plot, { visible: !hidden }, lines);
  }
}

draw(document);
for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", () => draw(fold));
for (const button of document.querySelectorAll(".legend button")) button.addEventListener("click", () => hide(button));
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.more:not([open])")) fold.dataset.paper = fold.open = true;
  for (const plot of drawn(document)) {
    Plotly.relayout(plot, { autosize: false, width: plot.closest(".alone") ? PAPER.alone : PAPER.beside });
  }
});
addEventListener("afterprint", () => {
  for (const fold of document.querySelectorAll("details[data-paper]")) {
    fold.open = false;
    delete fold.dataset.paper;
  }
  for (const plot of drawn(document)) Plotly.relayout(plot, { width: null, autosize: true });
});
