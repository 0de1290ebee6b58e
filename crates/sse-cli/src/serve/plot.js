// Events per second over the last two minutes: what is published as an area, what is delivered as a line, each with a
// scale of its own, because one event goes to many subscribers.

const SPAN = 120;
/** A hole in the numbers stays one: nobody knows what was in it. */
const HOLE = 3.5;
const HEIGHT = 150;
const MARGIN = { top: 12, right: 44, bottom: 24, left: 44 };

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export class Plot {
  #svg;
  #samples = [];

  constructor(svg) {
    this.#svg = svg;
    // Colours are the style sheet's, so a change of scheme needs no drawing.
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  /** Takes the rates of the second that has passed. */
  add(published, delivered) {
    this.#samples.push({ at: seconds(), published, delivered });
    this.#samples = this.#samples.filter(({ at }) => at > seconds() - SPAN);
    this.draw();
  }

  draw() {
    const width = this.#svg.clientWidth;
    if (width === 0) return;
    const area = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom };
    const now = this.#samples.at(-1)?.at ?? 0;
    const x = (at) => area.right - ((now - at) / SPAN) * (area.right - area.left);
    const scaled = (key) => {
      const top = ceiling(Math.max(0, ...this.#samples.map((sample) => sample[key])));
      const y = (value) => area.bottom - (value / top) * (area.bottom - area.top);
      return { top, pieces: this.#pieces((sample) => [x(sample.at), y(sample[key])]) };
    };
    const [published, delivered] = [scaled("published"), scaled("delivered")];
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(
      ...axes(area, published.top, delivered.top),
      ...published.pieces.map((piece) => shape("path", { class: "area", d: filled(piece, area.bottom) })),
      ...published.pieces.map((piece) => shape("path", { class: "edge", d: line(piece) })),
      ...delivered.pieces.map((piece) => shape("path", { class: "line", d: line(piece) })),
    );
    this.#svg.setAttribute("aria-label", this.#words());
  }

  /** The points, in pieces between holes. */
  #pieces(place) {
    const pieces = [];
    this.#samples.forEach((sample, index) => {
      const isFirst = index === 0 || sample.at - this.#samples[index - 1].at > HOLE;
      if (isFirst) pieces.push([]);
      pieces.at(-1).push(place(sample));
    });
    return pieces;
  }

  #words() {
    const last = this.#samples.at(-1);
    if (!last) return "Events per second over the last two minutes: nothing yet.";
    const most = (key) => compact.format(Math.max(...this.#samples.map((sample) => sample[key])));
    return `Events per second over the last two minutes. Published: ${compact.format(last.published)} now, ` +
      `${most("published")} at most. Delivered: ${compact.format(last.delivered)} now, ${most("delivered")} at most.`;
  }
}

function axes(area, published, delivered) {
  const marks = [];
  for (const part of [0, 0.5, 1]) {
    const y = area.bottom - part * (area.bottom - area.top);
    marks.push(shape("line", { class: part ? "grid" : "floor", x1: area.left, x2: area.right, y1: y, y2: y }));
    marks.push(text(compact.format(part * published), { class: "published", x: area.left - 8, y: y + 4 }));
    marks.push(text(compact.format(part * delivered), { class: "delivered", x: area.right + 8, y: y + 4 }));
  }
  const middle = (area.left + area.right) / 2;
  const times = [[area.left, "2 min ago", "start"], [middle, "1 min", "middle"], [area.right, "now", "end"]];
  for (const [x, words, anchor] of times) {
    marks.push(text(words, { x, y: HEIGHT - 5, "text-anchor": anchor }));
  }
  return marks;
}

function line(points) {
  const path = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  // Of a single point, a line of almost no length is the dot that its round ends make.
  return points.length === 1 ? `M${path}h.01` : `M${path}`;
}

function filled(points, floor) {
  const [first, last] = [points[0], points.at(-1)];
  return `M${first[0].toFixed(1)} ${floor}${line(points).replace("M", "L")}L${last[0].toFixed(1)} ${floor}Z`;
}

/** The next of 1, 2, 5, 10, 20, … */
function ceiling(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value) * power;
}

function seconds() {
  return performance.now() / 1000;
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
