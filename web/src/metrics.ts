// What the report card shows first, which way is better, and the axis of each row.

import type { Baseline, Evaluation, Interval, Metric } from "./api";
import { niceCeiling } from "./numbers";

export const BASELINES: Baseline[] = ["neurons", "pca", "ica", "random"];
export const FIRST = ["share_recovered", "fvu", "ce_recovered_mean", "kl", "l0", "dead_share"];
export const LOWER = ["fvu", "dead_share", "ce_spliced", "kl"];
export const HIGHER = ["share_recovered", "fve", "ce_recovered_mean", "ce_recovered_zero"];
export const PERCENT = ["share_recovered", "dead_share"];

/** Recovered concepts as a row like the others; null where they were not measured. */
export function recoveryRow({ recovery }: Evaluation, formula: string, misleads: string): Metric | null {
  if (!recovery) return null;
  const { share_recovered, share_neurons, share_pca, share_random, intervals } = recovery;
  return {
    name: "share_recovered",
    value: share_recovered,
    interval: intervals.share_recovered ?? null,
    unit: "fraction",
    formula,
    misleads,
    baselines: { neurons: share_neurons, pca: share_pca, random: share_random },
  };
}

const known = (value: number | null | undefined): value is number => typeof value === "number" && Number.isFinite(value);

/** Ends of an axis that holds 0, the value, its interval and the baselines; of fractions, from 0 to 1 where that does. */
export function axisOf({ value, interval, baselines, unit }: Metric): Interval {
  const values = [value, ...(interval ?? []), ...Object.values(baselines)].filter(known);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  if (unit === "fraction" && low >= 0 && high <= 1) return [0, 1];
  return [low < 0 ? -niceCeiling(-low) : 0, high > 0 ? niceCeiling(high) : 0];
}

/** Where a value stands between the ends, from 0 to 100. */
export function along(value: number, [low, high]: Interval): number {
  return high > low ? (100 * (value - low)) / (high - low) : 0;
}

export { known };
