// The list of events, newest first. Whatever comes from a stream gets into the page as text, never as HTML, and nothing
// grows without a bound: neither the list, nor an event in it, nor what waits for it.

const MAX_ROWS = 200;
/** How much of the data of an event is kept to be unfolded, and how much is shown before, in UTF-16 units. */
const MAX_KEPT = 32_768;
const MAX_PREVIEW = 160;
/** How long to gather events before they are shown: thousands may come in a second. */
const GATHER = 100;
/** How deep JSON is indented: a row of brackets must not become a megabyte of spaces. */
const MAX_INDENT = 16;

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const whole = new Intl.NumberFormat("en");

export class EventList {
  received = 0;
  /** How many have come since the list is held. */
  held = 0;
  #element;
  #onShown;
  #waiting = []; // oldest first
  #timer;
  #isPaused = false;

  /** Calls `onShown` after each change. */
  constructor(element, onShown) {
    this.#element = element;
    this.#onShown = onShown;
  }

  get isEmpty() {
    return this.#element.childElementCount === 0;
  }

  add({ type, id, data, isCut }) {
    this.received += 1;
    if (this.#isPaused) this.held += 1;
    const kept = data.slice(0, MAX_KEPT);
    this.#wait({ at: new Date(), type, id, data: kept, length: data.length, isWhole: !isCut && kept === data });
  }

  /** Says that what follows, above, is of other topics. */
  divide(words) {
    if (!this.isEmpty || this.#waiting.length > 0) this.#wait({ words });
  }

  set isPaused(isPaused) {
    this.#isPaused = isPaused;
    this.held = 0;
    this.#show();
  }

  get isPaused() {
    return this.#isPaused;
  }

  #wait(item) {
    this.#waiting.push(item);
    // Not at each event: that would move the whole list for each.
    if (this.#waiting.length >= 2 * MAX_ROWS) this.#waiting.splice(0, this.#waiting.length - MAX_ROWS);
    this.#timer ??= setTimeout(() => this.#show(), GATHER);
  }

  #show() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isPaused) {
      const newest = this.#waiting.splice(0).slice(-MAX_ROWS).reverse();
      this.#element.prepend(...newest.map((item) => (item.words ? divider(item.words) : row(item))));
      // Of a choice that nothing came of, nothing is to be told.
      for (const older of this.#element.querySelectorAll(".divider + .divider")) older.remove();
      while (this.#element.childElementCount > MAX_ROWS) this.#element.lastElementChild.remove();
    }
    this.#onShown();
  }
}

function divider(words) {
  return element("li", "divider", words);
}

function row(event) {
  const made = element("li", event.type === "gap" ? "gap" : "");
  const time = element("time", "", `${clock.format(event.at)}.${String(event.at.getMilliseconds()).padStart(3, "0")}`);
  time.dateTime = event.at.toISOString();
  const [type, id] = [element("span", "type", visible(event.type)), element("code", "id", visible(event.id))];
  made.append(time, type, id, data(event));
  return made;
}

function data(event) {
  if (event.type === "gap") {
    const missed = /^\{"missed":(\d+)\}$/.exec(event.data)?.[1];
    const words = missed ? `${whole.format(missed)} missed here: no longer kept` : "some may be missed here";
    return element("p", "data", words);
  }
  const isShort = event.data.length <= MAX_PREVIEW && !event.data.includes("\n");
  if (isShort && !/^\s*[{[]/.test(event.data)) return element("p", "data", visible(event.data));

  const details = element("details", "data");
  const summary = element("summary");
  summary.append(element("span", "", visible(event.data.slice(0, MAX_PREVIEW).replaceAll("\n", " ⏎ "))));
  if (event.length > MAX_PREVIEW) summary.append(element("small", "", `${whole.format(event.length)} characters`));
  details.append(summary);
  // Made when it is wanted: most are never looked at.
  details.addEventListener("toggle", () => details.append(...unfolded(event)), { once: true });
  return details;
}

function unfolded({ data, length, isWhole }) {
  const pre = element("pre", "", visible(isWhole ? indented(data) : data));
  pre.tabIndex = 0;
  const note = `The first ${whole.format(data.length)} of ${whole.format(length)} characters or more are kept here.`;
  return isWhole ? [pre] : [pre, element("small", "", note)];
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

/** The text with signs for control characters, which would not be seen, or would turn the text around. */
export function visible(text) {
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (control) => {
    const code = control.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : "�";
  });
}

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
