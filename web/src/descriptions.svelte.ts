// Descriptions of features that are only named by number, fetched together when they come into sight.

import { SvelteMap } from "svelte/reactivity";
import { aborted } from "./api";
import { session } from "./state.svelte";

/** So many numbers go into one filter. */
export const NUMBERS_AT_ONCE = 40;

/** A filter that holds for these features. */
export const oneOf = (features: number[]): string => features.map((each) => `feature=${each}`).join(" | ");

const known = new SvelteMap<number, string>();

export const descriptionOf = (feature: number): string | undefined => known.get(feature);

/** Have the descriptions of these features fetched, where they are not known yet. */
export async function wantDescriptions(features: number[], signal: AbortSignal): Promise<void> {
  const missing = [...new Set(features)].filter((each) => !known.has(each)).slice(0, NUMBERS_AT_ONCE);
  if (!missing.length) return;
  try {
    const { rows } = await session.api.features({ where: oneOf(missing), sort: "feature" }, 0, missing.length, signal);
    for (const row of rows) known.set(row.feature, row.description);
  } catch (error) {
    // Numbers are links all the same; what the server said about them is in the console of whoever looks.
    if (!aborted(error)) console.warn(error);
  }
}
