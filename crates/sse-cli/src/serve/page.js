// The live page of the hub. It has two streams, because a browser opens six connections to a host: `/status`, which
// tells each second how the hub stands, and one of the events of all topics that are followed. All addresses are relative:
// a proxy may have the hub below a path.

import { EventList, element, visible } from "./list.js";
import { Plot } from "./plot.js";
import { EventStream, bearer } from "./stream.js";

/** How many topics are followed at a time. */
const MAX_FOLLOWED = 50;
/** How many events since a mark can be told from new ones. */
const MAX_SEEN = 2000;
/** From how many topics on there is a box to filter them. */
const MANY_TOPICS = 9;
/** An id that no hub gives: the stream begins with the oldest event that is kept, behind a gap. */
const FROM_THE_START = "(from the start)";

const $ = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

// ---- how the hub stands

const plot = new Plot($("plot"));
const statuses = new EventStream({
  address: () => "status",
  token: () => sessionStorage.getItem("subscribe-token"),
  onEvent: (event) => event.type === "status" && takeStatus(JSON.parse(event.data)),
  onState: showConnection,
  silence: 10_000,
});
let status; // that the next one is compared with

function takeStatus(now) {
  const isFirst = status === undefined;
  const seconds = isFirst ? 0 : now.uptime - status.uptime;
  // The one that comes at once may be just ahead of the next: rates over so little time mean nothing.
  const rates = seconds >= 0.5 ? ratesBetween(status, now) : undefined;
  if (isFirst || rates) status = now;
  if (rates) showRates([...rates.values()]);
  setText($("topics-count"), whole.format(now.topics_total));
  setText($("subscribers"), whole.format(now.subscribers));
  setText($("detail"), detail(now));
  $("detail").classList.toggle("alarm", now.log?.is_following === false);
  showTopics(now, rates);
  // Whatever is published first is to be seen, though its topic can be followed only when it is there.
  const isNothingYet = isFirst && now.topics_total === 0 && followed.length === 0 && events.lastEventId === "";
  if (isNothingYet) resumeFrom(FROM_THE_START);
  if (wanted().some((name) => !followed.includes(name))) rewind();
  follow();
  mark();
  showEvents();
}

/** What happened in each topic, per second. */
function ratesBetween(before, now) {
  const old = new Map(before.topics.map((topic) => [topic.name, topic]));
  const wasWhole = before.topics.length === before.topics_total;
  return new Map(now.topics.map((topic) => {
    // A new one has begun at zero, unless it may have been there and not been told.
    const from = old.get(topic.name) ?? (wasWhole ? { published: 0, delivered: 0 } : topic);
    const rate = (key) => Math.max(0, topic[key] - from[key]) / (now.uptime - before.uptime);
    return [topic.name, { published: rate("published"), delivered: rate("delivered") }];
  }));
}

function showRates(rates) {
  const sum = (key) => rates.reduce((all, rate) => all + rate[key], 0);
  plot.add(sum("published"), sum("delivered"));
  setText($("published-rate"), rounded(sum("published")));
  setText($("delivered-rate"), rounded(sum("delivered")));
}

/** Whole numbers but for the small ones; a clock that is late by milliseconds does not make 1 event 0.998. */
function rounded(rate) {
  return rate > 0 && rate < 0.95 ? rate.toFixed(1) : compact.format(Math.round(rate));
}

function detail({ version, uptime, log }) {
  const parts = [`up ${duration(uptime)}`, `version ${version}`];
  if (log) parts.push(log.is_following ? "follows its log" : "has lost its log");
  if (log?.queued) parts.push(`${whole.format(log.queued)} queued`);
  return parts.join(" · ");
}

function duration(seconds) {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (minutes < 1) return `${Math.floor(seconds)} s`;
  if (hours < 1) return `${minutes} min`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

let lostAt; // while the connection is lost

function showConnection(state, answer) {
  const isRefused = asksForToken(answer);
  document.body.dataset.state = state;
  const closed = isRefused ? "A token is needed" : "Closed";
  setText($("state"), { connecting: "Connecting", open: "Connected", waiting: "Reconnecting", closed }[state]);
  if (isRefused) askForTokens("subscribe-token", answer);
  if (state === "closed") setText($("detail"), isRefused ? "" : answer?.text);
  if (state === "open") {
    // The other stream has broken too, and may not know it yet, or wait for long.
    if (lostAt && followed.length > 0) events.connect();
    lostAt = undefined;
    // It may be another hub, and how fast the time in between went is not known.
    status = undefined;
    marks.length = 0;
  } else if (state === "waiting") {
    lostAt ??= Date.now();
    setText($("detail"), `since ${clock.format(lostAt)}; no need to reload`);
  }
}

// ---- topics

const rows = new Map(); // by name

function showTopics({ topics, topics_total }, rates) {
  const names = topics.map((topic) => topic.name);
  dropRows(new Set(names));
  const fastest = Math.max(1, ...[...(rates?.values() ?? [])].map((rate) => rate.published));
  topics.forEach((topic, index) => {
    const row = rows.get(topic.name) ?? newRow(topic.name);
    // Only what is out of place is moved: moving takes the focus away.
    const there = $("topics").children[index];
    if (there !== row.line) $("topics").insertBefore(row.line, there ?? null);
    showTopic(row, topic, rates?.get(topic.name), fastest);
  });
  const isCut = topics_total > topics.length;
  setText($("cut"), isCut ? `The first ${topics.length} of ${whole.format(topics_total)} are shown.` : "");
  $("no-topics").hidden = topics.length > 0;
  $("filter-box").hidden = topics.length < MANY_TOPICS && $("filter").value === "";
  offer(names.slice(0, 100));
  showChoice();
}

function dropRows(names) {
  for (const [name, row] of rows) {
    if (names.has(name)) continue;
    row.line.remove();
    rows.delete(name);
  }
}

function newRow(name) {
  const row = { line: element("tr"), button: element("button", "", visible(name)), trouble: element("small", "alarm") };
  row.button.type = "button";
  row.button.onclick = () => choose(name);
  const head = element("th");
  head.scope = "row";
  head.append(row.button, row.trouble);
  row.line.append(head);
  for (const key of ["subscribers", "rate", "published"]) row.line.append((row[key] = element("td", "", "–")));
  rows.set(name, row);
  return row;
}

/** A number of six characters at most, as there is room for. */
function short(count) {
  return count < 100_000 ? whole.format(count) : compact.format(count);
}

function showTopic(row, topic, rate, fastest) {
  setText(row.subscribers, short(topic.subscribers));
  setText(row.published, short(topic.published));
  setText(row.trouble, topic.catching_up > 0 ? `${whole.format(topic.catching_up)} catching up` : "");
  if (!rate) return;
  setText(row.rate, rounded(rate.published));
  row.line.style.setProperty("--share", (rate.published / fastest).toFixed(3));
}

let offered = "";

/** The names that the box to publish knows; left alone while they are the same, as the list of them may be open. */
function offer(names) {
  if (offered === (offered = JSON.stringify(names))) return;
  $("known").replaceChildren(...names.map((name) => new Option("", name)));
}

// ---- the choice, which the address keeps: #topic=news&topic=weather

const chosen = new Set();

function choose(name) {
  if (!chosen.delete(name) && chosen.size < MAX_FOLLOWED) chosen.add(name);
  keepChoice();
}

function chooseAll() {
  chosen.clear();
  keepChoice();
  // The button is gone, the focus must not be.
  shownButtons()[0]?.focus();
}

function keepChoice() {
  history.replaceState(null, "", chosen.size > 0 ? `#${query(chosen)}` : location.pathname);
  followChoice();
}

function followChoice() {
  showChoice();
  const names = chosen.size > 0 ? [...chosen].map(visible).join(", ") : "all topics";
  if (follow()) list.divide(`from here on: ${names}`);
}

function readChoice() {
  chosen.clear();
  const names = new URLSearchParams(location.hash.slice(1)).getAll("topic").filter(Boolean);
  names.slice(0, MAX_FOLLOWED).forEach((name) => chosen.add(name));
  followChoice();
}

function query(names) {
  return new URLSearchParams([...names].map((name) => ["topic", name]));
}

function showChoice() {
  for (const [name, row] of rows) {
    row.button.setAttribute("aria-pressed", String(chosen.has(name)));
    row.line.hidden = !isShown(name);
  }
  $("all").hidden = chosen.size === 0;
  keepTabStop();
}

function isShown(name) {
  return name.toLowerCase().includes($("filter").value.toLowerCase());
}

function shownButtons() {
  return [...$("topics").querySelectorAll("tr:not([hidden]) button")];
}

/** Of all topics, Tab stops at one, for there may be hundreds; the arrows go on from there. */
function keepTabStop() {
  const buttons = shownButtons();
  const stop = buttons.find((button) => button === document.activeElement) ??
    buttons.find((button) => button.tabIndex === 0) ?? buttons[0];
  for (const { button } of rows.values()) button.tabIndex = button === stop ? 0 : -1;
}

function moveFocus(event) {
  const buttons = shownButtons();
  const here = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (!buttons[to]) return;
  event.preventDefault();
  buttons[to].focus();
}

// ---- events

const list = new EventList($("events"), showEvents);
const events = new EventStream({
  address: () => `topics?${query(followed)}`,
  token: () => sessionStorage.getItem("subscribe-token"),
  onEvent: takeEvent,
  onState: (_, answer) => {
    // That a token is missing is told once, by the other stream.
    refusal = answer && !asksForToken(answer) ? answer.text : "";
    showEvents();
  },
});
let followed = [];
let refusal = "";

/**
 * Follows the chosen topics, or else those that are shown; returns whether they are others than before.
 *
 * All topics of the hub are in one order. So the last event ID says how far the page has come in each of them, and a
 * new connection goes on from there: nothing is missed, and nothing comes twice.
 */
function follow() {
  const names = wanted();
  if (names.length === followed.length && names.every((name) => followed.includes(name))) return false;
  followed = names;
  if (names.length > 0) events.connect();
  else events.close();
  return true;
}

/** Of more than can be followed, those that are followed already stay. */
function wanted() {
  if (chosen.size > 0) return [...chosen];
  const shown = [...rows.keys()].filter(isShown);
  const [old, others] = [true, false].map((is) => shown.filter((name) => followed.includes(name) === is));
  return [...old, ...others].slice(0, MAX_FOLLOWED);
}

function takeEvent(event) {
  const [isGapAhead, key] = [isResuming && event.type === "gap", `${event.id} ${event.type} ${event.data.length}`];
  isResuming = false;
  // The hub can't know what the page has got already.
  if (isGapAhead) return;
  const again = expected.indexOf(key);
  if (again >= 0) {
    expected.splice(again, 1);
    return;
  }
  for (const { seen } of marks) if (seen.length <= MAX_SEEN) seen.push(key);
  list.add(event);
}

// A topic is known from the first status that has it. By then events of others may have come that are newer than its
// first ones, and going on behind those would miss them. So the page goes back to where it was two statuses before,
// when the topic was not there yet, and leaves out what it has seen since.

const marks = []; // the oldest first
let expected = []; // what is behind the last event ID, and has been seen
let isResuming = false;

function mark() {
  marks.push({ id: events.lastEventId, seen: [...expected] });
  if (marks.length > 3) marks.shift();
}

function rewind() {
  const back = marks.find(({ id, seen }) => id !== "" && seen.length <= MAX_SEEN);
  if (!back || back.id === events.lastEventId) return;
  resumeFrom(back.id);
  expected = [...back.seen];
}

function resumeFrom(id) {
  events.lastEventId = id;
  expected = [];
  isResuming = true;
}

function showEvents() {
  const count = list.received === 1 ? "1 event" : `${whole.format(list.received)} events`;
  setText($("events-about"), followed.length > 0 ? `${count} of ${followedWords()}, newest first.` : "");
  setText($("held"), list.held > 0 ? compact.format(list.held) : "");
  const isHubEmpty = status?.topics_total === 0 && followed.length === 0;
  $("nothing").hidden = !list.isEmpty;
  $("invitation").hidden = !isHubEmpty;
  const invitation = "Nothing has been published yet. Begin with the box to publish, or from a terminal:";
  setText($("nothing-why"), isHubEmpty ? invitation : waitingWords());
}

function followedWords() {
  const names = followed.length <= 3 ? followed.map(visible) : [`${followed.length} topics`];
  return names.join(", ");
}

function waitingWords() {
  if (refusal) return refusal;
  return events.state === "open" ? "Waiting for the next event." : "";
}

function togglePause() {
  list.isPaused = !list.isPaused;
  $("pause").setAttribute("aria-pressed", String(list.isPaused));
}

// ---- publishing

async function publish() {
  const [topic, type, data] = ["topic", "type", "data"].map((id) => $(id).value);
  const url = `topics/${encodeURIComponent(topic)}?${new URLSearchParams(type ? { type } : {})}`;
  const headers = bearer(sessionStorage.getItem("publish-token"));
  answer("", "Publishing …");
  try {
    const response = await fetch(url, { method: "POST", body: data, headers });
    const text = await response.text();
    if (!response.ok) {
      answer("alarm", text.trim() || `The hub answered with the status ${response.status}.`);
      if (asksForToken(response)) askForTokens("publish-token", { status: response.status, text });
      return;
    }
    answer("", `Published with the id ${visible(JSON.parse(text).id ?? "")}`);
  } catch {
    answer("alarm", "No answer came: the hub may have the event or not. Look at the list, then publish again.");
  }
}

function answer(className, text) {
  $("answer").className = `wide ${className}`;
  setText($("answer"), text);
}

/** The commands for what is in the box. */
function showCommands() {
  const [topic, type, data] = [$("topic").value || "news", $("type").value, $("data").value || "Hello"];
  const url = new URL(`topics/${encodeURIComponent(topic)}`, location.href).href;
  const [header, token] = asksToPublish ? [" -H 'Authorization: Bearer TOKEN'", " --token TOKEN"] : ["", ""];
  const suffix = type ? `?${new URLSearchParams({ type })}` : "";
  const commands = [
    `curl${header} --data-binary ${quoted(data)} ${quoted(url + suffix)}`,
    `sse publish${token}${type ? ` --type ${quoted(type)}` : ""} ${quoted(url)} ${quoted(data)}`,
    `sse listen ${quoted(url)}`,
  ];
  for (const id of ["commands", "invitation"]) setText($(id), commands.join("\n"));
}

/** As a shell reads it. */
function quoted(text) {
  return /^[\w./:%-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

// ---- tokens, for this tab only

const TOKENS = ["subscribe-token", "publish-token"];
let asksToPublish = false;

function asksForToken(answer) {
  return answer?.status === 401 || answer?.status === 403;
}

function askForTokens(id, { status, text }) {
  const what = id.replace("-token", "");
  const has = sessionStorage.getItem(id) !== null;
  const unknown = has ? `The hub does not know this token to ${what}.` : `A token is needed to ${what}.`;
  asksToPublish ||= id === "publish-token";
  for (const token of TOKENS) $(token).value = sessionStorage.getItem(token) ?? "";
  setText($("tokens-why"), status === 401 ? unknown : text);
  $("tokens").hidden = false;
  $(id).select();
  $(id).focus();
  showCommands();
}

function takeTokens() {
  for (const token of TOKENS) {
    if ($(token).value) sessionStorage.setItem(token, $(token).value);
    else sessionStorage.removeItem(token);
  }
  $("tokens").hidden = true;
  setText($("tokens-why"), "");
  // The focus was in the form, which is gone.
  $("topic").focus();
  if ($("answer").classList.contains("alarm")) answer("", "");
  statuses.connect();
  if (followed.length > 0) events.connect();
}

// ---- the page

function setText(node, text = "") {
  // A text that is set anew loses its selection, and is read out again.
  if (node.textContent !== text) node.textContent = text;
}

function submit(form, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

let typing;
$("filter").addEventListener("input", () => {
  showChoice();
  // Not a connection for each letter.
  clearTimeout(typing);
  typing = setTimeout(follow, 300);
});
$("all").addEventListener("click", chooseAll);
$("topics").addEventListener("focusin", keepTabStop);
$("topics").addEventListener("keydown", moveFocus);
$("pause").addEventListener("click", togglePause);
$("publish").addEventListener("input", showCommands);
$("publish").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("publish").requestSubmit();
});
submit($("publish"), publish);
submit($("tokens"), takeTokens);
addEventListener("hashchange", readChoice);
addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea");
  if (event.key === "p" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) togglePause();
});

$("unloaded").remove();
setText($("host"), location.host);
showCommands();
readChoice();
statuses.connect();
