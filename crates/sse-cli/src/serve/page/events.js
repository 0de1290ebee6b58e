// The list of events, newest first. Nothing grows without a bound: neither the list, nor an event in it, nor what waits
// for it.

import { element, visible, whole } from "./text.js";

/** How many events are kept for the filter, and how many of them are shown. */
const MAX_KEPT = 1000;
const MAX_ROWS = 200;
/** How much of the data of all kept events is kept, in UTF-16 units. */
const MAX_TOTAL = 2 ** 22;
/** How much of the data of an event is kept, and how much is shown of it before it is unfolded, in UTF-16 units. */
const MAX_DATA = 32_768;
const MAX_PREVIEW = 200;
/** How long to gather events before they are shown, in milliseconds: thousands may come in a second. */
const GATHER = 200;
/** How deep JSON is indented at most: a thousand brackets would become a megabyte of spaces. */
const MAX_INDENT = 16;

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export class EventList {
  /** How many events have come since the list was empty. */
  received = 0;
  #list;
  #onShown;
  #onCopy;
  #kept = []; // the oldest first, as is what waits
  #waiting = [];
  #ids = new Set(); // of both
  #items = new WeakMap(); // by their rows
  #words = []; // of the filter
  #isPaused = false;
  #isDue = false;

  /** Calls `onShown()` after each change, and `onCopy(text)` for an event that is to be copied. */
  constructor(list, { onShown, onCopy }) {
    this.#list = list;
    this.#onShown = onShown;
    this.#onCopy = onCopy;
  }

  get isEmpty() {
    return this.#list.childElementCount === 0;
  }

  /** How many events are kept. */
  get kept() {
    return this.#kept.length;
  }

  /** How many of the kept events are shown, or would be if the list were longer. */
  get matching() {
    return this.#kept.filter((item) => this.#matches(item)).length;
  }

  /** How many events have come since the list was paused. */
  get held() {
    return this.#isPaused ? this.#waiting.length : 0;
  }

  get isPaused() {
    return this.#isPaused;
  }

  set isPaused(isPaused) {
    this.#isPaused = isPaused;
    this.#show();
  }

  get isFiltered() {
    return this.#words.length > 0;
  }

  /** Shows only events that have all words of this text, in any of their parts. */
  set filter(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#list.replaceChildren();
    this.#prepend(this.#kept);
    this.#onShown();
  }

  /**
   * Takes an event, `{ at, isOld, topic, type, id, data, isCut }`, unless one with its id is there already. It was published
   * at the time `at`, or some time before that if it is old.
   */
  add({ at, isOld = false, topic = "", type, id, data, isCut = false }) {
    const isGap = type === "gap";
    if (!isGap && id !== "" && this.#ids.has(id)) return;
    this.received += 1;
    if (!isGap) this.#ids.add(id);
    const kept = data.slice(0, MAX_DATA);
    const item = { at, isOld, topic, type, id, data: kept, length: data.length, isWhole: !isCut && kept === data };
    this.#waiting.push(item);
    if (this.#waiting.length >= 2 * MAX_KEPT) this.#bound(this.#waiting);
    // Not at each event: that would move the whole list for each.
    if (this.#isDue) return;
    this.#isDue = true;
    // Nor while the page is in the background: it has no frames then.
    setTimeout(() => requestAnimationFrame(() => this.#show()), GATHER);
  }

  /** Forgets all events that are shown or wait. */
  clear() {
    this.received = 0;
    this.#kept = [];
    this.#waiting = [];
    this.#ids.clear();
    this.#list.replaceChildren();
    this.#onShown();
  }

  /** The events that are shown as lines of JSON, the oldest first. */
  lines() {
    return [...this.#list.children].reverse().map((row) => json(this.#items.get(row)));
  }

  #show() {
    this.#isDue = false;
    if (!this.#isPaused && this.#waiting.length > 0) {
      const fresh = this.#waiting.splice(0);
      this.#kept.push(...fresh);
      this.#bound(this.#kept);
      this.#prepend(fresh);
    }
    this.#onShown();
  }

  #prepend(items) {
    const rows = items.filter((item) => this.#matches(item)).slice(-MAX_ROWS).reverse().map((item) => this.#row(item));
    this.#list.prepend(...rows);
    while (this.#list.childElementCount > MAX_ROWS) this.#list.lastElementChild.remove();
  }

  /** Forgets the oldest of these events, if there are too many, or too much is in them. */
  #bound(items) {
    let [from, total] = [items.length, 0];
    while (from > 0 && items.length - from < MAX_KEPT && total <= MAX_TOTAL) total += items[--from].data.length;
    for (const { id } of items.splice(0, from)) this.#ids.delete(id);
  }

  #matches({ topic, type, id, data }) {
    if (this.#words.length === 0) return true;
    const text = `${topic}\n${type}\n${id}\n${data}`.toLowerCase();
    return this.#words.every((word) => text.includes(word));
  }

  #row(item) {
    const made = element("li", item.type === "gap" ? "gap" : "");
    const [details, summary] = [element("details"), element("summary")];
    summary.append(
      time(item),
      element("span", "topic", visible(item.topic)),
      element("span", "type", visible(item.type)),
      element("span", "data", preview(item)),
    );
    details.append(summary);
    // Made when it is unfolded: most never are.
    details.addEventListener("toggle", () => details.append(unfolded(item, this.#onCopy)), { once: true });
    made.append(details);
    this.#items.set(made, item);
    return made;
  }
}

function time({ at, isOld }) {
  const isToday = at.toDateString() === new Date().toDateString();
  const milliseconds = String(at.getMilliseconds()).padStart(3, "0");
  const made = element("time", "", isToday ? `${clock.format(at)}.${milliseconds}` : day.format(at));
  made.dateTime = at.toISOString();
  if (isOld) made.prepend("≤ ");
  return made;
}

function preview({ type, data, length }) {
  if (type === "gap") return gapWords(data);
  const more = length > MAX_PREVIEW ? " …" : "";
  return visible(data.slice(0, MAX_PREVIEW).replaceAll("\n", " ⏎ ")) + more;
}

function gapWords(data) {
  const missed = /^\{"missed":(\d+)\}$/.exec(data)?.[1];
  return missed ? `${whole.format(missed)} events are missing here: they are no longer kept` : "events may be missing here";
}

/** The whole event, unfolded. */
function unfolded(item, onCopy) {
  const made = element("div", "whole");
  const facts = element("dl");
  const size = `${whole.format(item.length)} character${item.length === 1 ? "" : "s"}`;
  for (const [name, text] of [["id", item.id], ["time", `${item.isOld ? "at or before " : ""}${item.at.toISOString()}`], ["data", size]]) {
    facts.append(element("dt", "", name), element("dd", "", visible(text) || "none"));
  }
  const pre = element("pre", "", visible(item.isWhole ? indented(item.data) : item.data));
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", "Data");
  made.append(facts, pre);
  if (!item.isWhole) {
    const [first, all] = [item.data.length, item.length].map((length) => whole.format(length));
    made.append(element("p", "about", `Only the first ${first} characters are kept here, of ${all} or more.`));
  }
  const copies = [["Copy data", () => item.data], ["Copy as JSON", () => json(item)]];
  for (const [words, text] of copies) {
    const button = element("button", "", words);
    button.type = "button";
    button.onclick = () => onCopy(text());
    made.append(button);
  }
  return made;
}

/** A line as `sse listen --json` prints it. */
function json({ topic, type, id, data }) {
  return JSON.stringify({ topic: topic || undefined, type, id: id || undefined, data });
}

/** JSON with a line for each value. Token by token, because numbers don't survive `JSON.parse`: 0.10, 2⁶⁴. */
function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, MAX_INDENT))}`;
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|\{\s*\}|\[\s*\]|[{}[\],:]|\s+/g;
  return text.replace(tokens, (token) => {
    if (token === "{" || token === "[") return (depth += 1, token + line());
    if (token === "}" || token === "]") return (depth -= 1, line() + token);
    if (token === ",") return token + line();
    if (token === ":") return ": ";
    return token[0] === '"' ? token : token.replace(/\s+/, "");
  });
}
