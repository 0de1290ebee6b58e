// Event streams by `fetch`, read as the standard says (https://html.spec.whatwg.org/#server-sent-events).
//
// Not by `EventSource`, which is all that an application needs: it delivers only the types that one listens for, and
// this page is for events of any type. It also hides why an answer was no stream, and can't send a token but in the
// address, where logs and histories would keep it.

/** What is kept of a line, and of the data of an event, in UTF-16 units: a hub takes 1 MiB by default. */
const MAX_LENGTH = 2 ** 21;

/** The reconnection time until the server names one, and the most that there is between two attempts. */
const RECONNECTION_TIME = 1000;
const MAX_DELAY = 30_000;

/** Makes events of the text of a stream, however it is cut into chunks. */
export class Parser {
  lastEventId;
  reconnectionTime;
  #rest = ""; // the line that has not ended
  #endedInCR = false;
  #id;
  #type = "";
  #data = [];
  #length = 0;
  #isCut = false;

  constructor(lastEventId = "", reconnectionTime = RECONNECTION_TIME) {
    this.lastEventId = this.#id = lastEventId;
    this.reconnectionTime = reconnectionTime;
  }

  /** The events that end in this chunk: `{ type, id, data, isCut }`. */
  *events(text) {
    for (const line of this.#lines(text)) {
      if (line !== "") {
        this.#apply(line);
        continue;
      }
      const event = this.#dispatch();
      if (event) yield event;
    }
  }

  *#lines(text) {
    if (text === "") return;
    // CRLF is one line ending: the CR closed the last chunk.
    let from = this.#endedInCR && text[0] === "\n" ? 1 : 0;
    this.#endedInCR = text.endsWith("\r");
    const ends = /\r\n?|\n/g;
    ends.lastIndex = from;
    for (let end = ends.exec(text); end; end = ends.exec(text)) {
      const line = this.#rest + text.slice(from, end.index);
      this.#rest = "";
      from = ends.lastIndex;
      yield line;
    }
    if (this.#rest.length < MAX_LENGTH) this.#rest += text.slice(from);
    else this.#isCut ||= from < text.length;
  }

  #apply(line) {
    const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line);
    if (field === "event") this.#type = value;
    else if (field === "data") this.#append(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.reconnectionTime = Number(value);
  }

  #append(line) {
    if (this.#length >= MAX_LENGTH) {
      this.#isCut = true;
      return;
    }
    this.#data.push(line);
    this.#length += line.length + 1;
  }

  #dispatch() {
    // An id counts even if no event comes with it: that is how a stream says where it begins.
    this.lastEventId = this.#id;
    const event = { type: this.#type || "message", id: this.#id, data: this.#data.join("\n"), isCut: this.#isCut };
    const isEvent = this.#data.length > 0;
    this.#type = "";
    this.#data = [];
    this.#length = 0;
    this.#isCut = false;
    return isEvent ? event : undefined;
  }
}

/** A stream that reconnects, and resumes behind the last event ID. */
export class EventStream {
  lastEventId = "";
  /** One of `closed`, `connecting`, `open`, `waiting`. */
  state = "closed";
  #connection = new AbortController();
  #reconnectionTime;
  #options;

  /**
   * `address()` and `token()` are asked for each request. `onEvent(event)` gets the events; `onState(state, answer)`
   * what becomes of the connection: `answer` is `{ status, text }` if the server wants no further request. Where a
   * server always speaks, `silence` is after how many milliseconds without a word the connection must be dead.
   */
  constructor(options) {
    this.#options = options;
  }

  /** Connects, or connects anew; nothing more comes from the connection that there was. */
  connect() {
    this.#connection.abort();
    this.#connection = new AbortController();
    this.#run(this.#connection.signal);
  }

  close() {
    this.#connection.abort();
    this.#become("closed");
  }

  async #run(signal) {
    this.#become("connecting");
    for (let failures = 0; ; failures += 1) {
      const outcome = await this.#attempt(signal);
      if (signal.aborted) return;
      if (outcome.isFinal) return this.#become("closed", outcome);
      if (outcome.hasOpened) failures = 0;
      this.#become("waiting");
      await pause(this.#delay(failures, outcome.retryAfter), signal);
      if (signal.aborted) return;
    }
  }

  /** One request, until its stream has ended in whatever way. */
  async #attempt(signal) {
    const silence = new Silence(this.#options.silence);
    const request = {
      headers: { accept: "text/event-stream", ...bearer(this.#options.token()) },
      cache: "no-store",
      signal: AbortSignal.any([signal, silence.signal]),
    };
    try {
      // Whether the network fails, at once or later, or there is silence: one comes again.
      const response = await fetch(this.#url(), request).catch(() => undefined);
      if (!response) return {};
      if (!response.ok || !isEventStream(response)) return await refusal(response);
      await this.#read(response, signal, silence);
      return { hasOpened: true };
    } finally {
      silence.end();
    }
  }

  async #read(response, signal, silence) {
    // The decoder leaves a BOM out, keeps what is not whole of a character, and marks what is not UTF-8.
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser(this.lastEventId, this.#reconnectionTime);
    this.#become("open");
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (done || signal.aborted) return;
      silence.isBroken();
      for (const event of parser.events(value)) {
        this.lastEventId = parser.lastEventId;
        this.#options.onEvent(event);
      }
      this.lastEventId = parser.lastEventId;
      this.#reconnectionTime = parser.reconnectionTime;
    }
  }

  #url() {
    const url = new URL(this.#options.address(), location.href);
    // Headers can't hold every id.
    if (this.lastEventId) url.searchParams.set("lastEventId", this.lastEventId);
    return url;
  }

  /** Doubles with each failure; by chance up to half less, so that not all come back together. */
  #delay(failures, retryAfter = 0) {
    const time = (this.#reconnectionTime ?? RECONNECTION_TIME) * 2 ** Math.min(failures, 10);
    return Math.min(Math.max(time * (1 - Math.random() / 2), retryAfter * 1000), MAX_DELAY);
  }

  #become(state, answer) {
    this.state = state;
    this.#options.onState(state, answer);
  }
}

/** The header of a token, if there is one. */
export function bearer(token) {
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** Aborts when nothing has come for so long. */
class Silence {
  #most;
  #controller = new AbortController();
  #timer;

  constructor(most) {
    this.#most = most;
    this.isBroken();
  }

  get signal() {
    return this.#controller.signal;
  }

  isBroken() {
    this.end();
    if (this.#most) this.#timer = setTimeout(() => this.#controller.abort(), this.#most);
  }

  end() {
    clearTimeout(this.#timer);
  }
}

function isEventStream(response) {
  return /^text\/event-stream\s*(;|$)/i.test(response.headers.get("content-type") ?? "");
}

async function refusal(response) {
  const text = (await response.text().catch(() => "")).slice(0, 500).trim();
  const isFinal = response.status >= 400 && response.status < 500 && ![408, 429].includes(response.status);
  return { isFinal, status: response.status, text, retryAfter: Number(response.headers.get("retry-after")) || 0 };
}

function pause(time, signal) {
  return new Promise((resume) => {
    const timer = setTimeout(resume, time);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resume();
    }, { once: true });
  });
}
