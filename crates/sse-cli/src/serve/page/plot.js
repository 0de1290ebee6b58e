// One number over the last two minutes, on a scale of its own.

import { perSecond, size } from "./text.js";

const SPAN = 120;
/** A longer pause between two numbers is shown as a hole. */
const HOLE = 3.5;
const HEIGHT = 64;
const MARGIN = { top: 10, right: 3, bottom: 14, left: 3 };

/** Numbers, up to the next of 1, 2, 5, 10, 20, … */
export const NUMBERS = {
  words: perSecond,
  ceiling(value) {
    const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
    return [1, 2, 5, 10].find((factor) => factor * power >= value) * power;
  },
};

/** Bytes, up to the next power of two. */
export const BYTES = {
  words: size,
  ceiling: (value) => 2 ** Math.ceil(Math.log2(Math.max(value, 1024))),
};

export class Plot {
  #svg;
  #title;
  #scale;
  #samples = [];

  /** Draws into `svg`, in a scale of this module. */
  constructor(svg, title, scale) {
    this.#svg = svg;
    this.#title = title;
    this.#scale = scale;
    // Colours are the style sheet's, so a change of scheme needs no drawing.
    new ResizeObserver(() => this.#draw()).observe(svg);
  }

  /** Adds the current value. */
  add(value) {
    const now = performance.now() / 1000;
    this.#samples.push({ at: now, value });
    this.#samples = this.#samples.filter(({ at }) => at > now - SPAN);
    this.#draw();
  }

  #draw() {
    const width = this.#svg.clientWidth;
    if (width === 0) return;
    const area = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom };
    const most = Math.max(0, ...this.#samples.map(({ value }) => value));
    const top = this.#scale.ceiling(most);
    const now = this.#samples.at(-1)?.at ?? 0;
    const x = (at) => area.right - ((now - at) / SPAN) * (area.right - area.left);
    const y = (value) => area.bottom - (value / top) * (area.bottom - area.top);
    const pieces = this.#pieces().map((piece) => piece.map(({ at, value }) => [x(at), y(value)]));
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(
      ...axes(area, this.#scale.words(top)),
      ...pieces.map((piece) => shape("path", { class: "area", d: filled(piece, area.bottom) })),
      ...pieces.map((piece) => shape("path", { class: "line", d: line(piece) })),
    );
    const last = this.#samples.at(-1);
    const said = last ? `${this.#scale.words(last.value)} now, ${this.#scale.words(most)} at most` : "nothing yet";
    this.#svg.setAttribute("aria-label", `${this.#title}, the last two minutes: ${said}`);
  }

  /** The samples, in pieces between holes. */
  #pieces() {
    const pieces = [];
    this.#samples.forEach((sample, index) => {
      if (index === 0 || sample.at - this.#samples[index - 1].at > HOLE) pieces.push([]);
      pieces.at(-1).push(sample);
    });
    return pieces;
  }
}

/** The floor, the ceiling with its value, and the ends of the time. */
function axes({ left, right, top, bottom }, ceiling) {
  return [
    shape("line", { class: "grid", x1: left, x2: right, y1: top, y2: top }),
    shape("line", { class: "floor", x1: left, x2: right, y1: bottom, y2: bottom }),
    text(ceiling, { x: left, y: top + 11 }),
    text("2 min ago", { x: left, y: HEIGHT - 2 }),
    text("now", { x: right, y: HEIGHT - 2, "text-anchor": "end" }),
  ];
}

function line(points) {
  const path = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  // A single point is a very short line, whose round ends make a dot.
  return points.length === 1 ? `M${path}h.01` : `M${path}`;
}

function filled(points, floor) {
  const [first, last] = [points[0], points.at(-1)];
  return `M${first[0].toFixed(1)} ${floor}${line(points).replace("M", "L")}L${last[0].toFixed(1)} ${floor}Z`;
}

function text(words, attributes) {
  const made = shape("text", attributes);
  made.textContent = words;
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
