// A feature's examples in groups, and what is told of one token.

import type { Effect, Example, FeatureRecord } from "./api";

/** Effects below this, in nats, are not told of a token. */
export const TOLD = 0.01;
/** From these, in nats, a token is underlined, and underlined more strongly. */
const UNDERLINED = [0.1, 0.3, 1];
const SHADES = 10;

export interface Kind {
  kind: string;
  /** Of "interval 2" and "quantile 7", the number. */
  place: number | null;
  examples: Example[];
}

export interface Family {
  /** "top", "interval", "quantile", "random", "near miss", or what else there is. */
  name: string;
  kinds: Kind[];
  /** The largest number among its kinds. */
  of: number;
}

export function families(examples: Example[]): Family[] {
  const found = new Map<string, Map<string, Kind>>();
  for (const example of examples) {
    const numbered = /^(\S+) (\d+)$/.exec(example.kind);
    const name = numbered?.[1] ?? example.kind;
    const kinds = found.get(name) ?? new Map<string, Kind>();
    found.set(name, kinds);
    const kind = kinds.get(example.kind) ?? { kind: example.kind, place: numbered ? Number(numbered[2]) : null, examples: [] };
    kinds.set(example.kind, kind);
    kind.examples.push(example);
  }
  return [...found].map(([name, kinds]) => {
    const list = [...kinds.values()].sort((a, b) => (b.place ?? 0) - (a.place ?? 0));
    return { name, kinds: list, of: Math.max(1, ...list.map((each) => each.place ?? 0)) };
  });
}

/** Shade of an activation: 0 for silence, from 1 to 10 for whatever is above it. */
export function shade(activation: number, largest: number): number {
  if (!(activation > 0) || !(largest > 0)) return 0;
  return Math.min(SHADES, Math.max(1, Math.round((SHADES * activation) / largest)));
}

/** Class of the underline of a token whose loss changed by so much; empty for next to nothing. */
export function underline(nats: number | null | undefined): string {
  if (typeof nats !== "number" || !Number.isFinite(nats)) return "";
  const strength = UNDERLINED.filter((least) => Math.abs(nats) >= least).length;
  return strength ? `${nats > 0 ? "helped" : "hurt"} by${strength}` : "";
}

export function effectOf(record: FeatureRecord, example: Example): Effect | null {
  return record.effects?.find((each) => each.position === example.position) ?? null;
}

/** Places of the tokens around the peak: its own place among the example's tokens. */
export const peakOf = (example: Example): number => example.position - example.start;
