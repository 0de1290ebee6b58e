// The events of the followed topics: the last ones that the hub keeps, then the new ones.

import { EventStream } from "./stream.js";
import { authorization } from "./tokens.js";

/** How many topics one connection may have, and how long a URL may be for proxies. */
const MAX_TOPICS = 100;
const MAX_QUERY = 6000;
/** How many of the last events there are at the opening. */
const LAST = 200;
/** For how long after an opening events may be old ones, in milliseconds. */
const REPLAY = 1000;
/** How many events since a mark can be told from new ones. */
const MAX_SEEN = 2000;
/** How many marks there are: one for each of the last statuses. */
const MARKS = 3;

/**
 * Follows topics on one connection.
 *
 * All topics of the hub are in one order, and each event has an id of the hub. So the last event ID says how far the page
 * has come in each of them, and a connection for more topics goes on from there.
 *
 * But a topic is known from the first status that tells it. By then events of others may have come that are newer than
 * its first ones, and going on after those would miss them. So the page goes back to where it was two statuses before, when
 * the topic was not there yet, and leaves out what it has seen since.
 */
export class Follower {
  /** The followed topics. */
  names = [];
  #onEvent;
  #stream;
  #marks = []; // the oldest first
  #seen = new Set(); // what comes again after a step back
  #replayEnd = 0; // until when events may be older than they look

  /** Calls `onEvent(event)` for each event, and `onState(state, why)` as the stream does. */
  constructor({ onEvent, onState }) {
    this.#onEvent = onEvent;
    this.#stream = new EventStream({
      address: () => `topics?${query(this.names)}&last=${LAST}`,
      headers: () => ({ ...authorization("subscribe"), "sse-envelope": "json" }),
      onEvent: (event, headers) => this.#take(this.#dated(unwrapped(event, headers))),
      onState: (state, why) => {
        if (state === "open" && this.#stream.lastEventId === "") this.#replayEnd = Date.now() + REPLAY;
        onState(state, why);
      },
    });
  }

  get state() {
    return this.#stream.state;
  }

  /** Begins anew with these topics, or with as many of them as one connection may have. */
  begin(names) {
    this.#marks = [];
    this.#seen.clear();
    this.names = bounded(names);
    this.#stream.lastEventId = "";
    if (this.names.length > 0) this.#stream.connect();
    else this.#stream.close();
  }

  /** Follows these topics, too, up to the limit. */
  extend(names) {
    const all = bounded([...this.names, ...names.filter((name) => !this.names.includes(name))]);
    if (all.length === this.names.length) return;
    this.names = all;
    const back = this.#marks.find(({ seen }) => seen.size <= MAX_SEEN);
    if (back) {
      this.#stream.lastEventId = back.id;
      this.#seen = new Set(back.seen);
    }
    this.#stream.connect();
  }

  /** Marks how far the page has come; to be called with each status, after `extend`. */
  mark() {
    const id = this.#stream.lastEventId;
    if (id === "") return;
    this.#marks.push({ id, seen: new Set(this.#seen) });
    if (this.#marks.length > MARKS) this.#marks.shift();
  }

  /** Connects anew, after the last event. */
  reconnect() {
    if (this.names.length > 0) this.#stream.connect();
  }

  /** The event with its time: that of its publishing if the hub says it, or else that of its coming. */
  #dated({ time, ...event }) {
    const isOld = time === undefined && Date.now() < this.#replayEnd;
    return { ...event, at: time === undefined ? new Date() : new Date(time), isOld };
  }

  #take(event) {
    const key = `${event.id} ${event.type}`;
    if (this.#seen.delete(key)) return;
    for (const { seen } of this.#marks) if (seen.size <= MAX_SEEN) seen.add(key);
    this.#onEvent(event);
  }
}

/** The topics in the form of a query: `topic=a&topic=b`. */
export function query(names) {
  return new URLSearchParams([...names].map((name) => ["topic", name])).toString();
}

function bounded(names) {
  let few = names.slice(0, MAX_TOPICS);
  while (query(few).length > MAX_QUERY) few = few.slice(0, -1);
  return few;
}

/** The event within an event whose data is JSON that names its topic. */
function unwrapped(event, headers) {
  // A proxy may have removed the header, and a very long line is cut.
  if (headers.get("sse-envelope") !== "json" || event.isCut) return { ...event, topic: "" };
  const { topic, time, data } = JSON.parse(event.data);
  return { ...event, topic, time, data };
}
