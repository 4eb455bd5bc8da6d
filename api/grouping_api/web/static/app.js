// The whole script of the web view. Without it every page can be read; with it the pages of a job and of a
// training follow them, buttons appear, a form shows only the parameters of what is chosen, the arrow keys walk
// through the affinity matrix, and a slider runs over budgets.
"use strict";

const REFRESH_MS = 1000;
const root = document.documentElement.dataset.root; // path below which a proxy shows the service

function followJob(live) {
  const announcement = document.getElementById("announcement");
  let timer = null;
  let busy = false;
  let again = false;

  async function refresh() {
    timer = null;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const address = `${root}/jobs/${live.dataset.job}/live${location.search}`;
      const answer = await fetch(address, { headers: { Accept: "text/html" } });
      if (answer.ok) replaceParts(live, await answer.text(), announcement);
      // What is shown is of older scores: it is solved again soon, whether or not anything more happens.
      if (live.querySelector("[data-older]")) setTimeout(schedule, 5 * REFRESH_MS);
    } catch {
      // The server is away; the stream of events connects again by itself and asks for the next refresh.
    } finally {
      busy = false;
      if (again) {
        again = false;
        schedule();
      }
    }
  }

  function schedule() {
    if (timer === null) timer = setTimeout(refresh, REFRESH_MS);
  }

  const source = new EventSource(`${root}/v1/jobs/${live.dataset.job}/events?after=${live.dataset.after}`);
  source.addEventListener("message", schedule);
  source.addEventListener("open", () => (announcement.dataset.lost = ""));
  source.addEventListener("error", () => {
    announcement.dataset.lost = "yes";
    announcement.textContent = "The connection is lost: what is shown may be old. Trying again.";
  });
  source.addEventListener("end", () => {
    source.close();
    schedule();
  });
  window.addEventListener("pagehide", () => source.close());
}

// A page that is shown anew while what it shows goes on, such as the log of a training.
function followPage(live) {
  const announcement = document.getElementById("announcement");

  async function refresh() {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const html = await answer.text();
        replaceParts(live, html, announcement);
        const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("live");
        if (fresh && !("open" in fresh.dataset)) return;
      }
    } catch {
      // The server is away; the next time it may be back.
    }
    setTimeout(refresh, 2 * REFRESH_MS);
  }

  setTimeout(refresh, 2 * REFRESH_MS);
}

// Replaces only the parts that changed, and gives focus and scroll positions back.
function replaceParts(live, html, announcement) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = live.querySelector(`[data-part="${part.dataset.part}"]`);
    if (old === null || old.dataset.shown === part.outerHTML) continue;
    const shown = part.outerHTML;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = [...old.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const log = old.querySelector(".log");
    const top = log?.scrollTop ?? 0;
    const isAtEnd = log !== null && top + log.clientHeight >= log.scrollHeight - 4;
    showButtons(part); // before it is in place, so that its height does not change there
    old.replaceWith(part);
    const freshLog = part.querySelector(".log");
    if (log && freshLog) freshLog.scrollTop = isAtEnd ? freshLog.scrollHeight : top;
    part.dataset.shown = shown;
    part.querySelectorAll(".scroll").forEach((box, i) => (box.scrollLeft = scrolled[i] ?? 0));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  const sentence = fresh.querySelector("[data-announcement]")?.dataset.announcement ?? "";
  if (sentence && announcement.textContent !== sentence) announcement.textContent = sentence;
}

function showButtons(root) {
  for (const button of root.querySelectorAll("[data-post]")) {
    button.hidden = false;
    button.addEventListener("click", () => post(button));
  }
}

async function post(button) {
  if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
  button.disabled = true;
  try {
    const answer = await fetch(button.dataset.post, { method: "POST" });
    if (!answer.ok) window.alert((await answer.json()).detail);
  } catch {
    window.alert("The server cannot be reached. Try again.");
  }
  window.location.reload();
}

// One stop for the Tab key, arrow keys inside; the sentence of the cell is shown above the matrix.
function walkGrid(table) {
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].filter((cell) => cell.tagName === "TD"));
  const note = document.getElementById("cell-note");
  const targets = table.tHead.rows[0].cells;
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  let [row, column] = [0, 0];

  // What a cell says; with very many tasks it is put together here, which leaves the page a third as long.
  function sentence(cell) {
    if (cell.title || cell.tagName === "TH" || !("unit" in table.dataset)) return cell.title;
    const [source, target] = [cell.parentElement.cells[0].title, targets[cell.cellIndex].title];
    const kind = /\b(help|zero|harm)\b/.exec(cell.className)?.[1];
    if (source === target) return source;
    if (!kind) return `${source} with ${target}: ${cell.textContent}`;
    return `${source} ${table.dataset[kind]} ${target}: ${cell.textContent}${table.dataset.unit}`;
  }

  function go(toRow, toColumn) {
    rows[row][column].tabIndex = -1;
    row = Math.max(0, Math.min(rows.length - 1, toRow));
    column = Math.max(0, Math.min(rows[row].length - 1, toColumn));
    rows[row][column].tabIndex = 0;
    rows[row][column].focus();
  }

  rows.flat().forEach((cell) => (cell.tabIndex = -1));
  rows[0][0].tabIndex = 0;
  note.hidden = false;
  table.addEventListener("keydown", (event) => {
    const ends = { Home: [row, 0], End: [row, rows.length - 1] };
    const step = steps[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !(step || event.key in ends)) return;
    event.preventDefault();
    if (step) go(row + step[0], column + step[1]);
    else go(...ends[event.key]);
  });
  table.addEventListener("focusin", (event) => {
    rows.forEach((cells, i) => {
      const j = cells.indexOf(event.target);
      if (j >= 0) [row, column] = [i, j];
    });
    note.textContent = sentence(event.target);
  });
  table.addEventListener("mouseover", (event) => {
    const cell = event.target.closest("tbody td, th");
    if (cell && !table.contains(document.activeElement)) note.textContent = sentence(cell);
  });
}

// Only the parameters of the chosen method are shown; without the script those of all methods are.
function followChoice(select) {
  const show = () => {
    for (const box of document.querySelectorAll(`[data-method^="${select.name}."]`)) {
      box.hidden = box.dataset.method !== `${select.name}.${select.value}`;
    }
  };
  select.addEventListener("change", show);
  show();
}

// A slider over budgets: while it moves it says what a budget buys, once let go it solves for that one. What is
// said and marked is read from the table and the picture, which hold the same budgets.
function followSlider(line) {
  const slider = line.querySelector("input");
  const said = line.querySelector("output");
  const budgets = slider.dataset.budgets.split(" ");
  const field = document.getElementById("budget");

  function show() {
    const budget = budgets[slider.value];
    const rows = [...document.querySelectorAll("#points tr[data-said]")];
    const dots = [...document.querySelectorAll(".plot > circle[class^=plot-]")];
    said.textContent = rows[slider.value]?.dataset.said ?? `${Number(budget)} ${slider.dataset.unit}`;
    slider.setAttribute("aria-valuetext", said.textContent);
    dots.forEach((dot, i) => dot.classList.toggle("chosen", i === slider.value - budgets.length + dots.length));
    rows.forEach((row, i) => row.classList.toggle("here", i === Number(slider.value)));
    return budget;
  }

  async function solve() {
    field.value = show();
    const query = new URLSearchParams([...new FormData(field.form)].filter(([, value]) => value));
    const solved = document.getElementById("solved");
    solved.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`?${query}`, { headers: { Accept: "text/html" } });
      const html = await answer.text();
      if (field.value !== budgets[slider.value]) return;
      const before = slider.getBoundingClientRect().top;
      replaceParts(solved, html, said);
      window.scrollBy(0, slider.getBoundingClientRect().top - before); // the answer stands above: nothing moves
      history.replaceState(null, "", `?${query}`);
    } catch {
      said.textContent = "The server cannot be reached. Try again.";
    } finally {
      solved.removeAttribute("aria-busy");
    }
  }

  line.hidden = false;
  slider.addEventListener("input", show);
  slider.addEventListener("change", solve);
  if (document.querySelector("#points")) show();
}

showButtons(document);
document.querySelectorAll("[data-slider]").forEach(followSlider);
document.querySelectorAll("select[data-choice]").forEach(followChoice);
const live = document.getElementById("live");
if (live && "open" in live.dataset) ("page" in live.dataset ? followPage : followJob)(live);
const grid = document.querySelector("table[data-grid]");
if (grid) walkGrid(grid);
