import { describe, expect, it } from "vitest";
import { Pages } from "../src/pages";
import { rowsInSight, scrollTo, TALLEST } from "../src/virtual";

describe("rows in sight", () => {
  it.each([0, 1, 7, 100, 100_000, 1_000_000])("cover the window at every place of %i rows", (rows) => {
    const [rowHeight, view] = [44, 600];
    for (const part of [0, 0.1, 0.5, 0.999, 1]) {
      const all = rowsInSight(rows, rowHeight, 0, view);
      const scrollTop = part * Math.max(0, all.height - view);
      const { first, last, top, height } = rowsInSight(rows, rowHeight, scrollTop, view);
      expect(height).toBeLessThanOrEqual(TALLEST);
      expect(last - first).toBeLessThan(40);
      if (first > 0) expect(top).toBeLessThanOrEqual(scrollTop);
      if (last < rows) expect(top + (last - first) * rowHeight).toBeGreaterThanOrEqual(scrollTop + view);
      if (part === 1) expect(last).toBe(rows);
    }
  });

  it.each([500, 1_000_000])("hold the row that is scrolled to, of %i", (rows) => {
    for (const row of [0, 3, 250, rows - 1]) {
      const scrollTop = scrollTo(row, rows, 44, 12_345, 600);
      const { first, last } = rowsInSight(rows, 44, scrollTop, 600, 0);
      expect(first).toBeLessThanOrEqual(row);
      expect(last).toBeGreaterThan(row);
    }
  });
});

describe("pages", () => {
  function source() {
    const asked: { offset: number; signal: AbortSignal; answer: (total: number) => Promise<void> }[] = [];
    const errors: unknown[] = [];
    const pages = new Pages<number>(
      (offset, limit, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
          const rows = (total: number) => Array.from({ length: Math.min(limit, total - offset) }, (_, each) => offset + each);
          asked.push({ offset, signal, answer: async (total) => { resolve({ total, more: false, rows: rows(total) }); await Promise.resolve(); await Promise.resolve(); } });
        }),
      () => {},
      (error) => errors.push(error),
      10,
    );
    return { pages, asked, errors };
  }

  it("are asked for once, and only as far as there are rows", async () => {
    const { pages, asked } = source();
    pages.want(0, 25);
    pages.want(0, 25);
    expect(asked.map((each) => each.offset)).toEqual([0]);
    await asked[0]?.answer(35);
    expect([pages.begun, pages.total, pages.row(9), pages.row(10)]).toEqual([true, 35, 9, undefined]);
    pages.want(5, 99);
    expect(asked.map((each) => each.offset)).toEqual([0, 10, 20, 30]);
  });

  it("are given up when they are far away, without a complaint", async () => {
    const { pages, asked, errors } = source();
    pages.want(0, 5);
    await asked[0]?.answer(1000);
    pages.want(100, 105);
    pages.want(800, 805);
    expect(asked.map((each) => each.signal.aborted)).toEqual([false, true, false]);
    pages.want(100, 105);
    expect(asked.at(-1)?.offset).toBe(100);
    pages.stop();
    await Promise.resolve();
    await Promise.resolve();
    expect(asked.at(-1)?.signal.aborted).toBe(true);
    expect(errors).toEqual([]);
  });
});
