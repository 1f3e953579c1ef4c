// Text of a corpus or a model as it can be shown: nothing in it may hide, or turn what stands around it.

// Controls, line separators, marks of writing direction and characters of no width (but for the joiner of scripts
// and emoji, U+200D, and its opposite, which change how letters look): a replacement character stands for them.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text in which line breaks are shown and nothing is unseen. */
export function visible(text: string): string {
  return text.replaceAll("\r", "").replaceAll("\n", "↵").replaceAll("\t", "⇥").replace(UNSEEN, "\ufffd");
}

/** A text of several lines, in which nothing is unseen. */
export function lines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** A token by itself: whether a space leads it, and the rest as it can be shown. */
export function tokenParts(text: string): { space: boolean; word: string } {
  const shown = visible(text);
  return shown.startsWith(" ") ? { space: true, word: shown.slice(1) } : { space: false, word: shown };
}

/** A description in full; a number and its unit stay on one line. */
export function described(description: string): string {
  return visible(description).replace(/(\d) %/g, "$1\u00a0%");
}

/** A description as lists show it: without the share, which rows have no room for. */
export function briefly(description: string): string {
  return visible(description).replace(/ \([^()]*of activation\)/, "");
}

/** A pattern cut at its last brackets, which say where the feature fires. */
export function bracketed(text: string): { before: string; inside: string; after: string } {
  const shown = visible(text);
  const [open, close] = [shown.lastIndexOf("["), shown.lastIndexOf("]")];
  if (open < 0 || close < open) return { before: shown, inside: "", after: "" };
  return { before: shown.slice(0, open), inside: shown.slice(open + 1, close), after: shown.slice(close + 1) };
}
