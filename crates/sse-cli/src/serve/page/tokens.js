// The tokens of this tab, and the form that asks for them.

import { $, setText } from "./text.js";

const KINDS = ["subscribe", "publish"];

/** Several hubs may be under one origin, each under a path of its own. */
const storageKey = (kind) => `${kind}-token ${location.pathname}`;

/** Whether this hub has asked for a token to publish. */
export let asksToPublish = false;

/** The headers of a request to `subscribe` or to `publish`. */
export function authorization(kind) {
  const token = sessionStorage.getItem(storageKey(kind)) ?? sessionStorage.getItem(storageKey("subscribe"));
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** Whether another token can help after a refusal. It can't if the origin or the host was refused. */
export function asksForToken(status, kind) {
  return status === 401 || (status === 403 && authorization(kind).authorization !== undefined);
}

/** Shows the form for the token to `subscribe` or to `publish`, after a refusal with this status. */
export function askForToken(kind, status) {
  if (kind === "publish") asksToPublish = true;
  const hasOne = authorization(kind).authorization !== undefined;
  for (const each of KINDS) $(`${each}-token`).value = sessionStorage.getItem(storageKey(each)) ?? "";
  const unknown = hasOne ? `The hub does not know this token to ${kind}.` : `A token is needed to ${kind}.`;
  setText($("tokens-why"), status === 401 ? unknown : `This token does not have the right to ${kind}.`);
  $("tokens").hidden = false;
  $(`${kind}-token`).select();
  $(`${kind}-token`).focus();
}

/** Calls `onTaken()` when other tokens are to be used. */
export function listenForTokens(onTaken) {
  $("tokens").addEventListener("submit", (event) => {
    event.preventDefault();
    for (const kind of KINDS) {
      const token = $(`${kind}-token`).value;
      if (token) sessionStorage.setItem(storageKey(kind), token);
      else sessionStorage.removeItem(storageKey(kind));
    }
    hide();
    onTaken();
  });
  $("tokens-close").addEventListener("click", hide);
}

function hide() {
  $("tokens").hidden = true;
  setText($("tokens-why"), "");
  // The focus was in the form, which is hidden now.
  $("topic").focus({ preventScroll: true });
}
