// The box to publish, and the commands that do the same.

import { asksForToken, asksToPublish, askForToken, authorization } from "./tokens.js";
import { $, setText, visible } from "./text.js";

/** How many names the box knows. */
const MAX_OFFERED = 100;

let offered = "";

/** Offers these names as topics; the list is left alone while they are the same, as it may be open. */
export function offer(names) {
  const few = names.slice(0, MAX_OFFERED);
  if (offered === (offered = JSON.stringify(few))) return;
  $("known").replaceChildren(...few.map((name) => new Option("", name)));
}

/** Shows the commands for what is in the box. */
export function showCommands() {
  const [topic, type, data] = [$("topic").value || "news", $("type").value, $("data").value || "Hello"];
  const url = new URL(`topics/${encodeURIComponent(topic)}`, document.baseURI).href;
  const [header, token] = asksToPublish ? [" -H 'Authorization: Bearer TOKEN'", " --token TOKEN"] : ["", ""];
  const suffix = type ? `?${new URLSearchParams({ type })}` : "";
  const commands = [
    `curl${header} --data-binary ${quoted(data)} ${quoted(url + suffix)}`,
    `sse publish${token}${type ? ` --type ${quoted(type)}` : ""} ${quoted(url)} ${quoted(data)}`,
    `sse listen ${quoted(url)}`,
  ];
  for (const id of ["commands", "invitation"]) setText($(id), commands.join("\n"));
}

/** Begins to listen to the box. */
export function listenForPublishing() {
  $("publish").addEventListener("input", showCommands);
  $("publish").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("publish").requestSubmit();
  });
  $("publish").addEventListener("submit", (event) => {
    event.preventDefault();
    publish();
  });
  showCommands();
}

/** Removes a refusal that a new token may have solved. */
export function forgetRefusal() {
  if ($("answer").classList.contains("alarm")) say("", "");
}

async function publish() {
  const [topic, type, data] = ["topic", "type", "data"].map((id) => $(id).value);
  const url = new URL(`topics/${encodeURIComponent(topic)}`, document.baseURI);
  if (type) url.searchParams.set("type", type);
  say("", "Publishing …");
  try {
    const response = await fetch(url, { method: "POST", body: data, headers: authorization("publish") });
    const text = (await response.text()).trim();
    if (response.ok) {
      say("", `Published with the id ${visible(JSON.parse(text).id ?? "")}`);
      return;
    }
    say("alarm", text || `The hub answered with the status ${response.status}.`);
    if (!asksForToken(response.status, "publish")) return;
    askForToken("publish", response.status);
    showCommands();
  } catch {
    say("alarm", "No answer came, so the event may be published or not. Look at the list before you publish again.");
  }
}

function say(className, text) {
  $("answer").className = `wide ${className}`;
  setText($("answer"), text);
}

/** Quotes a text for a shell. */
function quoted(text) {
  return /^[\w./:%-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
