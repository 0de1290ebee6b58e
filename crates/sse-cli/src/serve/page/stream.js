// Event streams by `fetch`, read as the standard says (https://html.spec.whatwg.org/#server-sent-events).
//
// An application can use `EventSource`. This page can't: it shows events of any type, and `EventSource` delivers only the
// types that have a listener. It also hides why an answer is not a stream, and can send a token only in the address,
// where logs and histories would keep it.

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

/**
 * A stream that reconnects, and resumes after the last event ID.
 *
 * Its state is `closed`, `connecting`, `open` or `waiting`. Why it is closed or waits is one of
 *
 * - `{ reason: "unreachable" }`: no response came;
 * - `{ reason: "refused", status, text }`: a response that is not a stream, with the beginning of its text;
 * - `{ reason: "ended" }`: the server ended the stream as it should;
 * - `{ reason: "broken" }`: the connection ended in the middle;
 * - `{ reason: "silent" }`: nothing came for too long.
 *
 * To wait, there is `retryAt` with it, as `Date.now()` has it.
 */
export class EventStream {
  lastEventId = "";
  state = "closed";
  #connection = new AbortController();
  #reconnectionTime;
  #options;

  /**
   * `address()` and `headers()` are asked for each request. `onEvent(event, headers)` gets the events, with the headers of
   * the response; `onState(state, why)` the state of the connection. If the server sends at least heartbeats, `silence` is the
   * number of milliseconds without a byte after which the connection counts as dead.
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
      const why = await this.#attempt(signal);
      if (signal.aborted) return;
      if (isFinal(why)) return this.#become("closed", why);
      if (why.reason !== "refused" && why.reason !== "unreachable") failures = 0;
      const delay = this.#delay(failures, why.retryAfter);
      this.#become("waiting", { ...why, retryAt: Date.now() + delay });
      await pause(delay, signal);
      if (signal.aborted) return;
    }
  }

  /** One request, to the end of its stream; returns the reason of the end. */
  async #attempt(signal) {
    const silence = new Silence(this.#options.silence);
    const request = {
      headers: { accept: "text/event-stream", ...this.#options.headers() },
      cache: "no-store",
      signal: AbortSignal.any([signal, silence.signal]),
    };
    const failure = (reason) => ({ reason: silence.signal.aborted ? "silent" : reason });
    try {
      const response = await fetch(this.#url(), request).catch(() => undefined);
      if (!response) return failure("unreachable");
      if (response.status !== 200 || !isEventStream(response)) return await refusal(response);
      return failure(await this.#read(response, signal, silence));
    } finally {
      silence.end();
    }
  }

  /** Reads to the end; returns whether it has `ended`, or is `broken`. */
  async #read(response, signal, silence) {
    // The decoder leaves a BOM out, keeps what is not whole of a character, and marks what is not UTF-8.
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser(this.lastEventId, this.#reconnectionTime);
    this.#become("open");
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({}));
      if (signal.aborted || value === undefined) return done ? "ended" : "broken";
      silence.isBroken();
      for (const event of parser.events(value)) {
        this.lastEventId = parser.lastEventId;
        this.#options.onEvent(event, response.headers);
      }
      this.lastEventId = parser.lastEventId;
      this.#reconnectionTime = parser.reconnectionTime;
    }
  }

  #url() {
    const url = new URL(this.#options.address(), document.baseURI);
    // Headers can't hold every id.
    if (this.lastEventId) url.searchParams.set("lastEventId", this.lastEventId);
    return url;
  }

  /** Doubles with each failure. It is up to half less at random, so that not all clients come back together. */
  #delay(failures, retryAfter = 0) {
    const time = (this.#reconnectionTime ?? RECONNECTION_TIME) * 2 ** Math.min(failures, 10);
    return Math.min(Math.max(time * (1 - Math.random() / 2), retryAfter * 1000), MAX_DELAY);
  }

  #become(state, why) {
    this.state = state;
    this.#options.onState(state, why);
  }
}

/** Aborts when nothing has come for this time. */
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
  const type = response.headers.get("content-type") ?? "no type";
  const text = response.status === 200
    ? `The answer is ${type}, and not an event stream: something between this page and the hub has answered.`
    : (await response.text().catch(() => "")).slice(0, 500).trim();
  return { reason: "refused", status: response.status, text, retryAfter: Number(response.headers.get("retry-after")) || 0 };
}

/** Whether the server wants no further request: it says so, or the request itself is wrong. */
function isFinal({ reason, status }) {
  const isWrong = status >= 400 && status < 500 && ![408, 429].includes(status);
  return reason === "refused" && (isWrong || status === 204);
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
