// Which rows of a long table are to be drawn. Browsers cap the height of an element, so a table that would be higher
// is scrolled faster than it moves: one pixel of the bar stands for several of the table.

export const TALLEST = 8_000_000;

export interface Window {
  /** First row to draw, and the one after the last. */
  first: number;
  last: number;
  /** Height of what is scrolled, and where in it the first drawn row stands. */
  height: number;
  top: number;
}

/** Rows that are seen when `rows` rows are scrolled to `scrollTop`, with `spare` more on each side. */
export function rowsInSight(rows: number, rowHeight: number, scrollTop: number, viewHeight: number, spare = 8): Window {
  const full = rows * rowHeight;
  const height = Math.min(full, TALLEST);
  const range = Math.max(1, height - viewHeight);
  const scrolled = Math.min(Math.max(scrollTop, 0), range);
  const offset = full > height ? (scrolled / range) * (full - viewHeight) : scrolled;
  const first = Math.max(0, Math.floor(offset / rowHeight) - spare);
  const last = Math.min(rows, Math.ceil((offset + viewHeight) / rowHeight) + spare);
  return { first, last, height, top: first * rowHeight - offset + scrolled };
}

/** Where to scroll to, so that a row is in sight; where it is already, nothing changes. */
export function scrollTo(row: number, rows: number, rowHeight: number, scrollTop: number, viewHeight: number): number {
  const full = rows * rowHeight;
  const height = Math.min(full, TALLEST);
  const range = Math.max(1, height - viewHeight);
  const ratio = full > height ? (full - viewHeight) / range : 1;
  const offset = scrollTop * ratio;
  const [top, bottom] = [row * rowHeight, (row + 1) * rowHeight];
  if (top < offset) return top / ratio;
  if (bottom > offset + viewHeight) return (bottom - viewHeight) / ratio;
  return scrollTop;
}
