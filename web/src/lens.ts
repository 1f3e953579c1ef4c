// What the lens shows: the strip of cells, and what is told of a token.

import type { LensFeature } from "./api";

/** A cell of the strip, in pixels. */
export const CELL = { width: 20, height: 30, head: 86 };

export interface Cell {
  row: number;
  column: number;
}

/** Where an arrow leads from a cell; null for other keys. */
export function moved(cell: Cell, key: string, rows: number, columns: number): Cell | null {
  const { row, column } = cell;
  const far = 10;
  const to: Record<string, Cell> = {
    ArrowLeft: { row, column: column - 1 },
    ArrowRight: { row, column: column + 1 },
    ArrowUp: { row: row - 1, column },
    ArrowDown: { row: row + 1, column },
    PageUp: { row, column: column - far },
    PageDown: { row, column: column + far },
    Home: { row, column: 0 },
    End: { row, column: columns - 1 },
  };
  const found = to[key];
  if (!found) return null;
  const within = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
  return { row: within(found.row, rows), column: within(found.column, columns) };
}

/** The cell under a point of the strip, of which `scrolled` pixels are out of sight on the left. */
export function cellAt(x: number, y: number, scrolled: number, rows: number, columns: number): Cell | null {
  const column = Math.floor((x + scrolled) / CELL.width);
  const row = Math.floor((y - CELL.head) / CELL.height);
  if (column < 0 || column >= columns || row >= rows) return null;
  return { row: Math.max(-1, row), column };
}

/** The share of its largest activation that a feature has at a token, at most 1. */
export function share(feature: LensFeature, token: number): number {
  const value = feature.activations[token] ?? 0;
  return feature.max_activation > 0 ? Math.max(0, Math.min(1, value / feature.max_activation)) : 0;
}

/** The features that are on at a token, those nearest to their largest activation first. */
export function activeAt(features: LensFeature[], token: number): LensFeature[] {
  return features.filter((each) => share(each, token) > 0).sort((a, b) => share(b, token) - share(a, token));
}

export const peakOf = (feature: LensFeature): number => Math.max(0, ...feature.activations);
