// The state of the page's connection: connecting, connected, reconnecting with the reason, or refused.

import { $, duration, setText, whole } from "./text.js";

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

let retryAt; // while a next attempt is waited for
let reason = "";
let hasEnded = false; // the hub has, since the page was connected
let isOf = ""; // the time that the figures are of

/** Shows the state of the stream, and the reason. */
export function showConnection(state, why) {
  document.body.dataset.state = state;
  if (state === "open") hasEnded = false;
  if (why?.reason === "ended") hasEnded = true;
  setText($("state"), title(state, why));
  // The form that asks for a token says it better.
  reason = why && why.status !== 401 ? reasonOf(why) : "";
  retryAt = why?.retryAt;
  $("retry").hidden = state !== "waiting" && state !== "closed";
  $("detail").classList.remove("alarm");
  if (state !== "open") setText($("detail"), reason);
  count();
}

/** Shows the uptime, the version and the log of the hub. */
export function showHub({ version, uptime, log }) {
  const parts = [`up ${duration(uptime)}`, `version ${version}`];
  if (log) parts.push(log.is_following ? "follows its log" : "can't reach its log");
  if (log?.queued) parts.push(`${whole.format(log.queued)} queued`);
  setText($("detail"), parts.join(" · "));
  $("detail").classList.toggle("alarm", log?.is_following === false);
  isOf = clock.format(new Date());
}

/** Why there is no stream, as a sentence. */
export function reasonOf({ reason, status, text }) {
  switch (reason) {
    case "unreachable":
      return hasEnded ? "The hub has not answered since then." : `${location.host} does not answer.`;
    case "ended": return "The hub has ended the stream.";
    case "broken": return "The connection broke.";
    case "silent": return "Nothing came for 10 seconds.";
    default: return status === 204 ? "The hub has no stream for this page (204)." : `${status}: ${text || "no reason was given"}`;
  }
}

function title(state, why) {
  if (state === "connecting") return "Connecting";
  if (state === "open") return "Connected";
  if (state === "waiting") return hasEnded && why.reason !== "ended" ? "The hub has ended" : "Reconnecting";
  return { 401: "A token is needed", 403: "Forbidden" }[why?.status] ?? "Refused";
}

/** Shows each second when the next attempt comes. */
function count() {
  if (!retryAt) return;
  const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const figures = isOf && ` The figures are of ${isOf}.`;
  setText($("detail"), `${reason}${figures} Next attempt in ${left} s.`);
}

setInterval(count, 500);
