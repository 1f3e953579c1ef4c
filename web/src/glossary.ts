// Terms inside sentences: "[[words|term]]" shows the words and explains the term, "[[term]]" shows the term itself.

export interface Part {
  text: string;
  /** Key of the glossary; null for plain text. */
  term: string | null;
}

const MARKED = /\[\[([^[\]|]+)(?:\|([^[\]|]+))?\]\]/g;

/** A sentence as plain text and terms, in order. */
export function partsOf(sentence: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const found of sentence.matchAll(MARKED)) {
    if (found.index > end) parts.push({ text: sentence.slice(end, found.index), term: null });
    const shown = found[1] ?? "";
    parts.push({ text: shown, term: found[2] ?? shown });
    end = found.index + found[0].length;
  }
  if (end < sentence.length) parts.push({ text: sentence.slice(end), term: null });
  return parts;
}

/** The sentence as it reads, without marks. */
export const plainOf = (sentence: string): string => partsOf(sentence).map(({ text }) => text).join("");

/** Keys of the terms of a sentence. */
export const termsOf = (sentence: string): string[] => partsOf(sentence).flatMap(({ term }) => term ?? []);
