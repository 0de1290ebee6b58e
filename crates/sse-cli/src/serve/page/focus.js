// Long lists and the keyboard: Tab stops once in a list, for there may be hundreds of rows; the arrows go on from there.

/** Lets Tab stop at one of these elements in the list: where the focus is or was, or else at the first. */
export function keepTabStop(list, selector) {
  const all = [...list.querySelectorAll(selector)];
  const stop = all.find((item) => item === document.activeElement) ?? all.find((item) => item.tabIndex === 0) ?? all[0];
  for (const item of all) item.tabIndex = item === stop ? 0 : -1;
}

/** Moves the focus to where a key points. */
export function moveFocus(event, list, selector) {
  const all = [...list.querySelectorAll(selector)];
  const here = all.indexOf(document.activeElement);
  if (here < 0) return;
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
  if (!all[to]) return;
  event.preventDefault();
  all[to].focus();
}
