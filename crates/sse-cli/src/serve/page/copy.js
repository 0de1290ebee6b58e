import { element } from "./text.js";

/** Puts the text on the clipboard; returns whether that was possible. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text);
  }
}

/** Copies as a user would: a page without https has no other access to the clipboard. */
function copyByHand(text) {
  const [focus, box] = [document.activeElement, element("textarea", "unseen")];
  box.value = text;
  document.body.append(box);
  box.select();
  const isCopied = document.execCommand("copy");
  box.remove();
  focus?.focus();
  return isCopied;
}
