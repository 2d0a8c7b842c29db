// What the pages of noetl-console do beyond what HTML does: live updates, sorting,
// searching and copying of values, lint while one types, keys.
"use strict";

const $$ = (selector, root) => [...(root || document).querySelectorAll(selector)];

// Compares numbers, of which ids have more digits than a number of JavaScript, or texts.
function compare(x, y) {
  if (x === "" || y === "" || isNaN(x) || isNaN(y)) return x.localeCompare(y);
  return /^\d+$/.test(x + y) ? Number(BigInt(x) - BigInt(y)) : x - y;
}

// Sorts a table by the column of a heading; by data-value where a cell has one.
function sort(table, head, down) {
  const column = [...head.parentNode.children].indexOf(head);
  const key = (row) => row.children[column].dataset.value || row.children[column].textContent.trim();
  const rows = [...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b)) * (down ? -1 : 1));
  $$("th", table).forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...rows);
}

// Tables are sorted by the heading that is pressed.
function sortable(root) {
  for (const table of $$("table[data-sort]", root)) {
    $$("thead th", table).forEach((head) => {
      const button = document.createElement("button");
      button.textContent = head.textContent;
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(table, head, head.getAttribute("aria-sort") === "ascending"));
    });
  }
}

// A table that has come anew is sorted as the one in whose place it is.
function keepOrder(before, after) {
  const fresh = $$("table[data-sort]", after);
  $$("table[data-sort]", before).forEach((table, i) => {
    const by = $$("thead th", table).findIndex((head) => head.hasAttribute("aria-sort"));
    const head = by >= 0 && fresh[i] && $$("thead th", fresh[i])[by];
    if (head) sort(fresh[i], head, $$("thead th", table)[by].getAttribute("aria-sort") === "descending");
  });
}

// Copies a text; where the browser has no clipboard, because the page comes without TLS,
// by choosing the element that has it.
async function copyText(element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent);
  getSelection().selectAllChildren(element);
  document.execCommand("copy");
}

// A long value gets a field to search in it and a button that copies it.
function values(root) {
  for (const pre of $$(".value pre", root)) {
    const bar = document.createElement("div");
    const copy = document.createElement("button");
    bar.className = "actions";
    copy.type = "button";
    copy.textContent = pre.closest("[data-cut]") ? "Copy this part" : "Copy";
    copy.addEventListener("click", async () => {
      await copyText(pre);
      copy.textContent = "Copied";
    });
    bar.append(copy);
    if (pre.textContent.length > 2000) {
      const find = document.createElement("input");
      const text = pre.textContent;
      find.type = "search";
      find.className = "find";
      find.placeholder = "Lines that contain …";
      find.setAttribute("aria-label", "Lines that contain");
      find.addEventListener("input", () => {
        pre.textContent = text.split("\n").filter((line) => line.includes(find.value)).join("\n");
      });
      bar.prepend(find);
    }
    pre.before(bar);
  }
}

// When a time has come with the page, or with a part of it.
const arrived = new WeakMap();

function enhance(root) {
  sortable(root);
  values(root);
  for (const time of $$("time[data-age]", root)) arrived.set(time, performance.now());
}

// Whether somebody fills in, chooses or selects something in a part of the page.
function inUse(part) {
  const chosen = getSelection();
  return part.dataset.touched || (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) ||
    (!chosen.isCollapsed && part.contains(chosen.anchorNode));
}

// Gives the focus to what is in the place of the element that had it.
function keepFocus(before, after) {
  const had = document.activeElement;
  if (!before.contains(had)) return () => {};
  const name = (e) => [e.className, e.getAttribute("href"), e.closest("[data-fold]")?.dataset.fold, e.tagName === "BUTTON" && e.textContent].join();
  return () => $$(had.tagName, after).find((e) => name(e) === name(had))?.focus({ preventScroll: true });
}

// Takes the marked parts of the page anew; what is unfolded or has the focus stays so.  Returns
// whether a part that is in use has to wait; raises when the page cannot be had now.
async function refresh() {
  if (document.hidden) return false;
  const response = await fetch(location.href, { headers: { "X-Noetl-Refresh": "1" } });
  if (response.status === 401) location.reload();
  if (response.status >= 500) throw new Error(response.statusText);
  if (!response.ok) return false;
  let waits = false;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of $$("[data-refresh]")) {
    const fresh = page.querySelector(`[data-refresh="${part.dataset.refresh}"]`);
    if (!fresh) continue;
    if (inUse(part)) {
      waits = true;
      continue;
    }
    const open = new Set($$("details[open]", part).map((d) => d.dataset.fold));
    const shut = new Set($$("details:not([open])", part).map((d) => d.dataset.fold));
    const adopted = document.adoptNode(fresh);
    for (const d of $$("details[data-fold]", adopted)) {
      if (open.has(d.dataset.fold)) d.open = true;
      else if (shut.has(d.dataset.fold)) d.open = false;
    }
    const graph = part.querySelector(".graph");
    const place = graph && [graph.scrollLeft, graph.scrollTop];
    const focus = keepFocus(part, adopted);
    part.replaceWith(adopted);
    if (place && adopted.querySelector(".graph")) adopted.querySelector(".graph").scrollTo(...place);
    enhance(adopted);
    keepOrder(part, adopted);
    focus();
  }
  return waits;
}

// What is being filled in or chosen is not taken away; a search that is over is neither.
addEventListener("input", (event) => {
  const part = event.target.closest("[data-refresh]");
  if (!part) return;
  if (event.target.matches(".find") && event.target.value === "") delete part.dataset.touched;
  else part.dataset.touched = "yes";
});

// "3 s ago" grows older while one looks; counted from what the page said, whatever clock the browser has.
function ages() {
  const words = (s) => s < 120 ? `${s} s` : s < 7200 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
  setInterval(() => {
    for (const time of $$("time[data-age]")) {
      const age = Math.floor(Number(time.dataset.age) + (performance.now() - arrived.get(time)) / 1000);
      time.textContent = age < 0 ? `in ${words(-age)}` : `${words(age)} ago`;
    }
  }, 5000);
}

function live() {
  const what = document.body.dataset.live;
  if (what === undefined || !window.EventSource) return;
  const say = document.getElementById("live");
  let stream = null, changed = false, following = false, waits = false, rest = 300, again = null;
  // A page that takes long to make is made anew less often; one that was not to be had is asked for again.
  async function follow() {
    following = true;
    while (changed) {
      await new Promise((done) => setTimeout(done, rest));
      changed = false;
      const begun = performance.now();
      let shortest = 300;
      waits = await refresh().catch(() => {
        changed = true;
        shortest = 3000;
        return waits;
      });
      rest = Math.max(shortest, 10 * (performance.now() - begun));
    }
    following = false;
  }
  function stop() {
    if (stream) stream.close();
    stream = null;
    clearTimeout(again);
  }
  // A tab that nobody sees listens to nothing: a browser has few connections to give.
  function listen() {
    stop();
    if (document.hidden) return;
    stream = new EventSource("/live?" + what);
    stream.onopen = () => { say.textContent = "live"; };
    // A browser tries again when a stream has ended, and not when it was refused.
    stream.onerror = () => {
      say.textContent = "not live";
      if (stream.readyState === 2) again = setTimeout(listen, 5000);
    };
    stream.onmessage = () => {
      changed = true;
      if (!following) follow();
    };
  }
  // A part that was in use is taken anew when it is no longer.
  function catchUp() {
    if (!waits || $$("[data-refresh]").every(inUse)) return;
    waits = false;
    changed = true;
    if (!following) follow();
  }
  addEventListener("focusout", () => setTimeout(catchUp));
  document.addEventListener("selectionchange", () => { if (getSelection().isCollapsed) catchUp(); });
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  listen();
}

// Lint while one types: half a second after the last key.
function lint() {
  for (const area of $$("textarea[data-lint]")) {
    const into = document.getElementById(area.dataset.lint);
    let timer = null, turn = 0;
    area.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const mine = ++turn;
        const response = await fetch("/lint", {
          method: "POST",
          body: new URLSearchParams({ csrf: area.form.elements.csrf.value, content: area.value }),
        });
        if (response.ok && mine === turn) into.innerHTML = await response.text();
      }, 500);
    });
    into.addEventListener("click", (event) => {
      const link = event.target.closest("[data-line]");
      if (!link) return;
      event.preventDefault();
      const lines = area.value.split("\n"), line = Math.max(1, link.dataset.line);
      const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
      area.focus();
      area.setSelectionRange(start, start + (lines[line - 1] || "").length);
    });
    area.addEventListener("keydown", (event) => {
      if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        area.form.querySelector('[value="check"]').click();
      }
    });
  }
}

// g and a letter goes to a screen, / to the search, j and k through the rows.
function keys() {
  let before = "";
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const rows = $$("[data-row]");
    const at = rows.indexOf(document.activeElement);
    if (before === "g") {
      const link = document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
      if (link) link.click();
    } else if (event.key === "/") {
      const search = document.querySelector('[data-key="/"]');
      if (search) { event.preventDefault(); search.focus(); }
    } else if (event.key === "j" && at + 1 < rows.length) rows[at + 1].focus();
    else if (event.key === "k" && at > 0) rows[at - 1].focus();
    before = event.key;
  });
}

enhance(document);
live();
lint();
keys();
ages();
