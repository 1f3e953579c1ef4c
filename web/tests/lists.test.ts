import { describe, expect, it } from "vitest";
import { currentList, emptyLists, exported, imported, renamed, restored, toggled, withList, withoutList } from "../src/lists";

const empty = emptyLists("Starred");

describe("lists", () => {
  it("are what they were after a star and another", () => {
    const starred = toggled(toggled(empty, 4), 9);
    expect(currentList(starred).features).toEqual([4, 9]);
    expect(toggled(toggled(starred, 7), 7)).toEqual(starred);
    expect(empty.lists[0]?.features).toEqual([]);
  });

  it("can be named, chosen and deleted, and one is always left", () => {
    const two = toggled(withList(empty, " bridges "), 3);
    expect(two.current).toBe("bridges");
    expect(withList(two, "Starred").lists).toHaveLength(2);
    expect(withList(two, "  ")).toBe(two);
    expect(withoutList(two, "bridges")).toEqual(empty);
    expect(withoutList(empty, "Starred")).toEqual(empty);
    expect(renamed(two, "Starred")).toBe(two);
    expect(currentList(renamed(two, "spans"))).toEqual({ name: "spans", features: [3] });
  });

  it("go through a file, and join what is there", () => {
    const mine = toggled(toggled(empty, 4), 9);
    expect(imported(empty, exported(mine, "run"))).toEqual(mine);
    const joined = imported(toggled(empty, 1), exported(mine, "run"));
    expect(joined && currentList(joined).features).toEqual([1, 4, 9]);
  });

  it.each(["", "[]", "null", '{"lists": []}', '{"format": "monoscope feature lists", "lists": [{"name": 1, "features": []}]}',
    '{"format": "monoscope feature lists", "lists": [{"name": "a", "features": ["<b>"]}]}'])("refuse another file: %s", (text) => {
    expect(imported(empty, text)).toBeNull();
  });

  it("are restored as stored, and not from rubbish", () => {
    expect(restored(JSON.stringify(toggled(empty, 5)))).toEqual(toggled(empty, 5));
    for (const text of [null, "", "{}", '{"lists": [], "current": "a"}', "null"]) expect(restored(text)).toBeNull();
  });
});
