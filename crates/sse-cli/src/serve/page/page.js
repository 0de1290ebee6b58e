// The live page of the hub. It has only two streams, because a browser opens six connections to a host: `status`, which
// has the numbers of the hub each second, and one of the events of all followed topics.

import { reasonOf, showConnection, showHub } from "./connection.js";
import { copy } from "./copy.js";
import { EventList } from "./events.js";
import { showFigures } from "./figures.js";
import { keepTabStop, moveFocus } from "./focus.js";
import { Follower, query } from "./follow.js";
import { forgetRefusal, listenForPublishing, offer } from "./publish.js";
import { ratesBetween, statusOf } from "./status.js";
import { EventStream } from "./stream.js";
import { $, compact, counted, setText, visible, whole } from "./text.js";
import { asksForToken, askForToken, authorization, listenForTokens } from "./tokens.js";
import { TopicTable } from "./topics.js";

/** How many topics may be chosen. */
const MAX_CHOSEN = 100;

// ---- the numbers of the hub

const statuses = new EventStream({
  address: () => "status",
  headers: () => authorization("subscribe"),
  onEvent: (event) => event.type === "status" && takeStatus(JSON.parse(event.data)),
  onState: showState,
  silence: 10_000,
});
let status; // the last one, that the next one is compared with
let found; // the same of a search that the hub made
let wasLost = false;
let isRefused = false; // for good

function takeStatus(now) {
  // The one that comes at once may be just ahead of the next.
  const rates = status && ratesBetween(status, now);
  if (!status || rates) status = now;
  showHub(now);
  showFigures(now, rates?.hub);
  showTopics(now, rates);
  offer(now.topics.map(({ name }) => name));
  if (chosen.size === 0) follower.extend(busiest(now.topics));
  follower.mark();
  showEvents();
}

/** Shows the topics of the status, or asks the hub for those that are searched, if the status lists only a part. */
async function showTopics(now, rates) {
  const isPart = now.topics.length < now.topics_total;
  if (!isPart || written() === "") {
    found = undefined;
    table.set(now, rates?.topics);
    return offerChoice();
  }
  const asked = written();
  const result = await statusOf(asked, authorization("subscribe")).catch(() => undefined);
  if (!result || asked !== written()) return;
  table.set(result, found && ratesBetween(found, result)?.topics);
  found = result;
  offerChoice();
}

/** The names of the topics, those first that have published most: not all can be followed if there are many. */
function busiest(topics) {
  return topics.toSorted((a, b) => b.published - a.published).map(({ name }) => name);
}

function showState(state, why) {
  showConnection(state, why);
  isRefused = state === "closed";
  if (state === "closed" && asksForToken(why?.status, "subscribe")) askForToken("subscribe", why.status);
  if (state === "waiting" || state === "closed") wasLost = true;
  showEvents();
  if (state !== "open") return;
  // The other stream is broken, too. It may not have noticed, or may wait for long.
  if (wasLost) follower.reconnect();
  wasLost = false;
  // It may be another hub, and the rates of the time between are unknown.
  status = undefined;
}

function connect() {
  statuses.connect();
  follower.reconnect();
}

// ---- topics, and the choice of some, which the address keeps: #topic=news&topic=weather

const chosen = new Set();
const table = new TopicTable((name) => {
  const names = new Set(chosen);
  if (!names.delete(name) && names.size < MAX_CHOSEN) names.add(name);
  choose(names);
});

function choose(names) {
  history.replaceState(null, "", names.size > 0 ? `#${query(names)}` : location.pathname + location.search);
  readChoice();
}

function readChoice() {
  const names = new URLSearchParams(location.hash.slice(1)).getAll("topic").filter(Boolean);
  chosen.clear();
  for (const name of names.slice(0, MAX_CHOSEN)) chosen.add(name);
  table.chosen = chosen;
  $("all").hidden = chosen.size === 0;
  list.clear();
  pause(false);
  follower.begin(chosen.size > 0 ? [...chosen] : busiest(status?.topics ?? []));
  showEvents();
}

/** What is in the box to search. */
function written() {
  return $("search").value.trim();
}

function search() {
  table.search();
  offerChoice();
}

function offerChoice() {
  const count = table.found.length;
  $("choose-found").hidden = written() === "" || count === 0;
  setText($("choose-found"), `Choose ${count > MAX_CHOSEN ? "the first " : ""}${Math.min(count, MAX_CHOSEN)}`);
}

/** Chooses the only topic that is found, or the written name, which the hub may not list. */
function chooseWritten() {
  const names = table.found;
  if (names.length > 1 || written() === "") return;
  choose(new Set([...chosen, names[0] ?? written()].slice(-MAX_CHOSEN)));
  $("search").value = "";
  search();
}

// ---- events

const list = new EventList($("events"), { onShown: showEvents, onCopy: (text) => copyText(text, "Copied.") });
const follower = new Follower({
  onEvent: (event) => list.add(event),
  onState: (_, why) => {
    whyNone = why;
    showEvents();
  },
});
let whyNone; // why no events come

/** Why no events come, as a sentence. */
function trouble() {
  if (!whyNone) return "";
  // If the other stream is refused too, it asks for a token. A token may also have the right to see the status alone.
  const isAskedFor = statuses.state !== "open" && asksForToken(whyNone.status, "subscribe");
  return isAskedFor ? "" : reasonOf(whyNone);
}

function showEvents() {
  setText($("events-about"), eventsWords());
  setText($("pause-words"), list.isPaused ? `Resume${list.held > 0 ? ` (${compact.format(list.held)})` : ""}` : "Pause");
  for (const id of ["copy", "clear"]) $(id).disabled = list.isEmpty;
  keepTabStop($("events"), "summary");
  $("nothing").hidden = !list.isEmpty;
  const isHubEmpty = status?.topics_total === 0 && follower.names.length === 0;
  $("invitation").hidden = !isHubEmpty;
  setText($("nothing-why"), list.isEmpty ? emptyWords(isHubEmpty) : "");
}

function eventsWords() {
  if (follower.names.length === 0) return "";
  if (trouble() && !list.isEmpty) return `No events come. ${trouble()}`;
  const paused = list.isPaused ? "Paused. " : "";
  if (list.isFiltered) return `${paused}${whole.format(list.matching)} of ${counted(list.kept, "event")} match the filter.`;
  return `${paused}${counted(list.received, "event")} of ${followedWords()}, newest first.`;
}

function followedWords() {
  const { names } = follower;
  if (names.length <= 3) return names.map(visible).join(", ");
  const all = chosen.size > 0 ? chosen.size : status?.topics_total ?? 0;
  return names.length < all ? `${names.length} of ${counted(all, "topic")}` : counted(names.length, "topic");
}

function emptyWords(isHubEmpty) {
  if (isHubEmpty) return "Nothing has been published yet. Begin with the box to publish, or from a terminal:";
  if (trouble()) return `No events come. ${trouble()}`;
  if (list.isFiltered && list.kept > 0) return "No event matches the filter.";
  if (isRefused && follower.names.length === 0) return "The hub refuses this page.";
  return follower.state === "open" ? "Waiting for the next event." : "";
}

function pause(isPaused) {
  if (list.isPaused !== isPaused) list.isPaused = isPaused;
  $("pause").setAttribute("aria-pressed", String(isPaused));
}

async function copyText(text, done) {
  const isCopied = await copy(text);
  setText($("events-note"), isCopied ? done : "The browser does not let this page copy.");
}

// ---- the page

$("unloaded").remove();
$("all").addEventListener("click", () => {
  choose(new Set());
  // The button disappears, and the focus must go elsewhere.
  $("search").focus();
});
$("choose-found").addEventListener("click", () => choose(new Set(table.found.slice(0, MAX_CHOSEN))));
$("search").addEventListener("input", search);
$("search").addEventListener("keydown", (event) => event.key === "Enter" && chooseWritten());
$("filter").addEventListener("input", () => (list.filter = $("filter").value));
$("events").addEventListener("keydown", (event) => moveFocus(event, $("events"), "summary"));
$("pause").addEventListener("click", () => pause(!list.isPaused));
$("clear").addEventListener("click", () => {
  list.clear();
  $("filter").focus();
});
$("copy").addEventListener("click", () => {
  const lines = list.lines();
  copyText(`${lines.join("\n")}\n`, `Copied ${counted(lines.length, "event")}.`);
});
$("retry").addEventListener("click", connect);
listenForTokens(() => {
  forgetRefusal();
  connect();
});
listenForPublishing();
addEventListener("hashchange", readChoice);
addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea");
  if (event.key === "p" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) pause(!list.isPaused);
});

setText($("host"), location.host);
readChoice();
statuses.connect();
