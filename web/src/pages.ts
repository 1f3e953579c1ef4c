// Rows of a long answer, fetched page by page as they are scrolled to.

import { aborted } from "./api";

export type Load<Row> = (offset: number, limit: number, signal: AbortSignal) => Promise<{ total: number; more: boolean; searched?: string; rows: Row[] }>;

/** Rows that are there, and those that are on their way. Pages that are no longer wanted are given up. */
export class Pages<Row> {
  total = 0;
  /** Whether there are more than can be fetched. */
  more = false;
  /** What was searched for, where a word that was being typed was completed. */
  searched = "";
  /** Whether the first page came. */
  begun = false;
  private readonly pages = new Map<number, Row[]>();
  private readonly coming = new Map<number, AbortController>();

  constructor(
    private readonly load: Load<Row>,
    private readonly changed: () => void,
    private readonly failed: (error: unknown) => void,
    readonly size = 200,
  ) {}

  row(place: number): Row | undefined {
    return this.pages.get(Math.floor(place / this.size))?.[place % this.size];
  }

  /** See to it that rows from `first` to before `last` come, and give up pages far from them. */
  want(first: number, last: number): void {
    const [from, to] = [Math.floor(first / this.size), Math.floor(Math.max(first, last - 1) / this.size)];
    for (const [page, controller] of this.coming) {
      if (page < from - 1 || page > to + 1) {
        this.coming.delete(page);
        controller.abort();
      }
    }
    for (let page = from; page <= to; page += 1) {
      if (page === 0 || page * this.size < this.total) this.fetchPage(page);
    }
  }

  stop(): void {
    for (const controller of this.coming.values()) controller.abort();
    this.coming.clear();
  }

  private fetchPage(page: number): void {
    if (this.pages.has(page) || this.coming.has(page)) return;
    const controller = new AbortController();
    this.coming.set(page, controller);
    this.load(page * this.size, this.size, controller.signal).then(
      ({ total, more, searched, rows }) => {
        if (this.coming.get(page) !== controller) return;
        this.coming.delete(page);
        this.pages.set(page, rows);
        [this.total, this.more, this.searched] = [total, more, searched ?? ""];
        this.begun = true;
        this.changed();
      },
      (error: unknown) => {
        if (this.coming.get(page) === controller) this.coming.delete(page);
        if (!aborted(error)) this.failed(error);
      },
    );
  }
}
