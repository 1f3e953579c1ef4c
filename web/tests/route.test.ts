import { describe, expect, it } from "vitest";
import { featureHash, formatRoute, parseRoute, takeToken } from "../src/route";
import { nextSort, queryOf, routeOf, sortOf, viewOf, type View } from "../src/search";

describe("the address", () => {
  it.each([
    { screen: "", rest: "", parameters: {} },
    { screen: "features", rest: "", parameters: { q: "golden & gate?#/", where: 'density<0.01 & description~"ñ"' } },
    { screen: "feature", rest: "412", parameters: {} },
    { screen: "features", rest: "", parameters: { q: "100 % + 1", list: "1,2,3" } },
  ])("says a route so that it can be read back: $screen $rest", (route) => {
    expect(parseRoute(formatRoute(route))).toEqual(route);
  });

  it("leaves out what is empty", () => {
    expect(formatRoute({ screen: "features", rest: "", parameters: { q: "", where: "" } })).toBe("#/features");
    expect(featureHash(412)).toBe("#/feature/412");
  });

  it("is no error when it is broken", () => {
    expect(parseRoute("#/feature/%E0%A4%A")).toEqual({ screen: "feature", rest: "%E0%A4%A", parameters: {} });
    expect(parseRoute("")).toEqual({ screen: "", rest: "", parameters: {} });
  });

  it("brings a token, which is taken out of it", () => {
    expect(takeToken("#token=aB-9_")).toEqual({ token: "aB-9_", hash: "#/" });
    expect(takeToken("#token=a%2Bb&/feature/4?q=1")).toEqual({ token: "a+b", hash: "#/feature/4?q=1" });
    expect(takeToken("#/features?q=token=x")).toBeNull();
    expect(takeToken("#token=")).toBeNull();
  });
});

describe("the view of the table", () => {
  const view: View = { q: "bridge", by: "fires", where: "alive", sort: "max_activation", list: null };

  it("is the same after a way through the address", () => {
    expect(viewOf(parseRoute(formatRoute(routeOf(view))))).toEqual(view);
    const list: View = { q: "", by: "words", where: "", sort: "", list: [3, 1, 2] };
    expect(viewOf(parseRoute(formatRoute(routeOf(list))))).toEqual(list);
  });

  it("takes nothing unknown from an address", () => {
    const read = viewOf(parseRoute("#/features?by=magic&sort=-description&list=1,x,-2,1,99999999999"));
    expect(read).toEqual({ q: "", by: "words", where: "", sort: "", list: [1] });
  });

  it("is in the order of the match only where something is searched", () => {
    expect(sortOf({ ...view, sort: "" })).toBe("-score");
    expect(sortOf({ ...view, sort: "", q: " ", by: "words" })).toBe("-density");
    expect(sortOf({ ...view, sort: "-score", q: "" })).toBe("-density");
    expect(queryOf({ ...view, q: " bridge ", by: "words" })).toEqual({ q: "bridge", by: "words", where: "alive", sort: "max_activation" });
    expect(queryOf({ ...view, q: " " }).q).toBe(" ");
    expect(sortOf({ ...view, sort: "", q: " " })).toBe("-score");
  });

  it("turns an order around at the second click", () => {
    expect(nextSort("-density", "density")).toBe("density");
    expect(nextSort("density", "density")).toBe("-density");
    expect(nextSort("-density", "feature")).toBe("feature");
    expect(nextSort("feature", "feature")).toBe("-feature");
  });
});
