// Rows of features that are named by number, fetched once: their largest activations and descriptions.

import { SvelteMap } from "svelte/reactivity";
import { aborted, type FeatureRow } from "./api";
import { oneOf } from "./descriptions.svelte";
import { session } from "./state.svelte";

const known = new SvelteMap<number, FeatureRow>();

export const rowOf = (feature: number | null): FeatureRow | undefined => (feature === null ? undefined : known.get(feature));

export function keepRow(row: FeatureRow): void {
  known.set(row.feature, row);
}

/** Have the rows of these features fetched, where they are not known yet. */
export async function wantRows(features: number[], signal: AbortSignal): Promise<void> {
  const missing = [...new Set(features)].filter((each) => !known.has(each));
  if (!missing.length) return;
  try {
    const { rows } = await session.api.features({ where: oneOf(missing), sort: "feature" }, 0, missing.length, signal);
    rows.forEach(keepRow);
  } catch (error) {
    // A number stays a number; what is wrong with it is said when the model is asked to write.
    if (!aborted(error)) console.warn(error);
  }
}
