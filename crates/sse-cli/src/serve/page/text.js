// Words and numbers as the page writes them, and the nodes that they get into. Whatever comes from a stream gets into
// the page as text, never as HTML.

export const whole = new Intl.NumberFormat("en");
export const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const $ = (id) => document.getElementById(id);

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** Sets a text if it differs: setting it again would lose the selection, and a screen reader would read it again. */
export function setText(node, text = "") {
  if (node.textContent !== text) node.textContent = text;
}

/** The text with visible signs in place of control characters and of marks that change the direction of text. */
export function visible(text) {
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (control) => {
    const code = control.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : "�";
  });
}

/** `1 topic`, `2 topics`. */
export function counted(number, noun) {
  return `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A number of six characters at most. */
export function short(count) {
  return count < 100_000 ? whole.format(count) : compact.format(count);
}

/** A rate: whole but for small ones. A clock that is late by milliseconds does not make 1 event 0.998. */
export function perSecond(rate) {
  return rate > 0 && rate < 0.95 ? rate.toFixed(1) : compact.format(Math.round(rate));
}

/** `1.5 MiB`, as the settings of the hub have it. */
export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 2 ** (10 * power);
  return `${value < 9.95 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** How long the hub has run. */
export function duration(seconds) {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (minutes < 1) return `${Math.floor(seconds)} s`;
  if (hours < 1) return `${minutes} min`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}
