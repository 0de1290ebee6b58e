// The table of topics: any number of them can be searched and sorted, and the first few hundred are rows.

import { moveFocus, keepTabStop } from "./focus.js";
import { Risen } from "./risen.js";
import { $, counted, element, perSecond, setText, short, size, visible, whole } from "./text.js";

const MAX_ROWS = 200;

/** The columns: how they are headed, what is sorted by, how it is written, and whether the greatest come first. */
const COLUMNS = {
  name: { head: "Topic" },
  subscribers: { head: "Conn.", title: "Connections", unit: "conn.", write: short },
  rate: { head: "Per s", title: "Events published per second", unit: "per s", write: perSecond },
  history: { head: "Kept", title: "Events in the history", unit: "kept", write: short },
  memory: { head: "Memory", title: "Memory of the history", unit: "", write: size },
  trouble: { head: "Trouble", title: "How often subscribers lagged, were cut, and got a gap event" },
};

export class TopicTable {
  #body = $("topics");
  #rows = new Map(); // by name
  #topics = []; // as the hub tells them
  #total = 0;
  #sort = { key: "name", isDown: false };
  #chosen = new Set();
  #onChoose;
  #order = []; // of the rows
  #risen = new Risen(); // the troubles of each topic

  /** Calls `onChoose(name)` for the topic of a row that was clicked. */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    $("topics-head").append(...Object.entries(COLUMNS).map(([key, column]) => this.#head(key, column)));
    this.#body.addEventListener("focusin", () => keepTabStop(this.#body, "button"));
    this.#body.addEventListener("keydown", (event) => moveFocus(event, this.#body, "button"));
  }

  /** The names that the search finds. */
  get found() {
    return this.#found().map(({ name }) => name);
  }

  /** Shows these topics; `total` is how many the hub has. */
  set({ topics, topics_total }, rates) {
    this.#topics = topics.map((topic) => {
      const { name } = topic;
      const trouble = sum(topic);
      return { ...topic, rate: rates?.get(name), trouble, hasNewTrouble: this.#risen.hasRisen(name, trouble) };
    });
    this.#risen.keep(new Set(topics.map(({ name }) => name)));
    this.#total = topics_total;
    this.#show();
  }

  set chosen(names) {
    this.#chosen = names;
    this.#mark();
  }

  /** Shows the topics anew that the box to search asks for. */
  search() {
    this.#order = [];
    this.#show();
  }

  #head(key, { head, title }) {
    const [cell, button] = [element("th"), element("button", "", head)];
    cell.scope = "col";
    cell.setAttribute("role", "columnheader");
    button.type = "button";
    if (title) button.title = `${title}: sort`;
    button.onclick = () => this.#sortBy(key);
    cell.dataset.key = key;
    cell.append(button);
    if (key === this.#sort.key) cell.setAttribute("aria-sort", "ascending");
    return cell;
  }

  /** The greatest come first; by name, the first letters do. Once more, it is the other way round. */
  #sortBy(key) {
    const { key: before, isDown } = this.#sort;
    this.#sort = { key, isDown: key === before ? !isDown : key !== "name" };
    for (const cell of $("topics-head").children) {
      if (cell.dataset.key === key) cell.setAttribute("aria-sort", this.#sort.isDown ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    this.search();
  }

  #found() {
    const wanted = $("search").value.trim().toLowerCase();
    return wanted ? this.#topics.filter(({ name }) => name.toLowerCase().includes(wanted)) : this.#topics;
  }

  #show() {
    const found = this.#found();
    const shown = this.#ordered(found).slice(0, MAX_ROWS);
    this.#order = shown.map(({ name }) => name);
    const names = new Set(this.#order);
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.line.remove();
      this.#rows.delete(name);
    }
    const fastest = Math.max(1, ...shown.map(({ rate }) => rate ?? 0));
    shown.forEach((topic, index) => {
      const row = this.#rows.get(topic.name) ?? this.#row(topic.name);
      // Only what is out of place is moved: moving takes the focus away.
      const there = this.#body.children[index];
      if (there !== row.line) this.#body.insertBefore(row.line, there ?? null);
      fill(row, topic, fastest);
    });
    setText($("topics-about"), this.#about(found.length, shown.length));
    this.#mark();
    keepTabStop(this.#body, "button");
  }

  /** The rows keep their order while the pointer or the focus is on them, so that they can be clicked. */
  #ordered(topics) {
    const { key, isDown } = this.#sort;
    const places = new Map(this.#order.map((name, index) => [name, index]));
    const stays = this.#body.matches(":hover, :focus-within");
    const place = ({ name }) => places.get(name) ?? Infinity;
    return topics.toSorted((a, b) => {
      if (stays && place(a) !== place(b)) return place(a) - place(b);
      const order = key === "name" ? compare(a.name, b.name) : (a[key] ?? 0) - (b[key] ?? 0);
      return (isDown ? -order : order) || compare(a.name, b.name);
    });
  }

  #about(found, shown) {
    const isSearched = $("search").value.trim() !== "";
    const isPart = !isSearched && this.#topics.length < this.#total;
    if (isSearched && found === 0) return "No topic has this text in its name. Press Enter to follow a topic of this name.";
    if (found === 0) return "There are no topics yet.";
    const all = isSearched ? `${whole.format(found)} of ${counted(this.#total, "topic")} found.` : `${counted(this.#total, "topic")}.`;
    const cut = shown < found ? ` The first ${shown} are shown: search, or sort by a column.` : "";
    if (isPart) return `${all} The page knows ${whole.format(this.#topics.length)} of them, and shows ${shown}: search for others.`;
    return `${all}${cut} Choose the topics whose events you want to see.`;
  }

  #row(name) {
    const row = { line: element("tr"), button: element("button", "", visible(name)), cells: {} };
    row.button.type = "button";
    row.button.onclick = () => this.#onChoose(name);
    row.line.setAttribute("role", "row");
    for (const [key, { unit }] of Object.entries(COLUMNS)) {
      const cell = element(key === "name" ? "th" : "td", key);
      cell.setAttribute("role", key === "name" ? "rowheader" : "cell");
      // For narrow screens, where the head is hidden.
      if (unit) cell.dataset.unit = unit;
      row.line.append((row.cells[key] = cell));
    }
    row.cells.name.scope = "row";
    row.cells.name.append(row.button);
    this.#rows.set(name, row);
    return row;
  }

  #mark() {
    for (const [name, { button }] of this.#rows) button.setAttribute("aria-pressed", String(this.#chosen.has(name)));
  }
}

function fill({ line, cells }, topic, fastest) {
  for (const [key, { write }] of Object.entries(COLUMNS)) {
    if (write) setText(cells[key], topic[key] === undefined ? "–" : write(topic[key]));
  }
  setText(cells.trouble, troubles(topic) || "–");
  cells.trouble.classList.toggle("alarm", topic.hasNewTrouble);
  cells.trouble.classList.toggle("none", troubles(topic) === "");
  line.style.setProperty("--share", ((topic.rate ?? 0) / fastest).toFixed(3));
}

function troubles({ catching_up, lagged, cut, gaps }) {
  const kinds = [[catching_up, "catching up"], [lagged, "lagged"], [cut, "cut"], [gaps, gaps === 1 ? "gap" : "gaps"]];
  return kinds.filter(([number]) => number > 0).map(([number, words]) => `${short(number)} ${words}`).join(",\n");
}

function sum({ lagged, cut, gaps }) {
  return lagged + cut + gaps;
}

/** By code points: for a thousand names each second, this need not know languages. */
function compare(a, b) {
  return a < b ? -1 : Number(a > b);
}
