// The tree of a feature's kin: a column for each width, and the links from each column to the next.

import type { Kin, Relatives } from "./api";

/** Pixels of a row, and between two columns. */
export const ROW = 48;
export const GAP = 44;
/** Kin that a column shows before it is unfolded. */
export const MOST = 8;

export interface Column {
  width: number;
  own: boolean;
  /** Where it stands: narrower than the feature's own dictionary, that one, or wider. */
  side: "from" | "own" | "to";
  kin: Kin[];
  /** How many more there are. */
  rest: number;
  /** Links that come in from the column before. */
  links: string[];
}

/** The columns, from the narrowest; in its own, the feature itself stands first, even where the server left it out. */
export function columnsOf(lineage: Relatives[], feature: number, label: string, unfolded: ReadonlySet<number>): Column[] {
  const own = lineage.findIndex((each) => each.own);
  const columns = lineage.map((each, place): Column => {
    const all = each.own ? itselfFirst(each.features, feature, label) : each.features;
    const kin = unfolded.has(each.width) ? all : all.slice(0, MOST);
    const side = each.own ? "own" : own < 0 || place < own ? "from" : "to";
    return { width: each.width, own: each.own, side, kin, rest: all.length - kin.length, links: [] };
  });
  return columns.map((each, place) => ({ ...each, links: linksBetween(columns[place - 1], each) }));
}

function itselfFirst(kin: Kin[], feature: number, label: string): Kin[] {
  const itself = kin.find((each) => each.feature === feature) ?? { feature, label, similarity: null };
  return [itself, ...kin.filter((each) => each.feature !== feature)];
}

/** What a wider dictionary has comes from the feature itself, not from those beside it. */
function linksBetween(before: Column | undefined, after: Column): string[] {
  if (!before) return [];
  return linksOf(before.own ? 1 : before.kin.length, after.kin.length);
}

const middle = (row: number): number => ROW * (row + 0.5);
const curve = (left: number, from: number, right: number, to: number): string => {
  const turn = (left + right) / 2;
  return `M${left} ${middle(from)}C${turn} ${middle(from)} ${turn} ${middle(to)} ${right} ${middle(to)}`;
};

/** From one row to each; from several, through one point, as nobody says which of them each comes from. */
export function linksOf(from: number, to: number): string[] {
  const rows = (count: number) => Array.from({ length: count }, (_, row) => row);
  if (from === 1) return rows(to).map((row) => curve(0, 0, GAP, row));
  return [...rows(from).map((row) => curve(0, row, GAP / 2, 0)), ...rows(to).map((row) => curve(GAP / 2, 0, GAP, row))];
}

/** Pixels that the links need from top to bottom. */
export const tallOf = (before: Column | undefined, after: Column): number => ROW * Math.max(before?.kin.length ?? 0, after.kin.length);
