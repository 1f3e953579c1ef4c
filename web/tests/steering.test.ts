import { describe, expect, it } from "vitest";
import type { Run } from "../src/api";
import { events } from "../src/events";
import { columnOf, curlOf, featuresOf, firstSetup, newEdit, pythonOf, sharedSetup, sharedText, steeringOf, type Edit, type Setup } from "../src/steering";

const run = {
  name: "runs/one",
  model: { name: "builtin", hash: "" },
  showcase: { feature: 12, topic: "bridge" },
  strengths: { "12": 1.5 },
  vectors: ["joy"],
} as unknown as Run;
const edit = (part: Partial<Edit>): Edit => ({ ...newEdit(run, 7), ...part });
const setup = (columns: Edit[][]): Setup => ({ prompt: "It's \"so\"", columns, seed: 3, temperature: 0.5, tokens: 20 });

describe("a setup", () => {
  it("begins with the showcase at the strength that works", () => {
    expect(firstSetup(run, {}).columns).toEqual([[edit({ feature: 12, strength: 1.5 })]]);
    expect(firstSetup(run, { feature: "7", prompt: "Hi" })).toMatchObject({ prompt: "Hi", columns: [[{ feature: 7, strength: 1 }]] });
    expect(firstSetup(null, { feature: "x" }).columns[0]?.[0]?.feature).toBeNull();
  });

  it("comes back from an address as it was", () => {
    const one = setup([[edit({ verb: "active", when: { feature: 9, above: 0.5 }, scope: "first:8" })], [edit({ feature: null, vector: "joy", strength: -0.2 })]]);
    expect(sharedSetup(sharedText(one))).toEqual(one);
    expect(firstSetup(run, { s: sharedText(one), feature: "3" })).toEqual(one);
  });

  it.each(["", "{", "[]", "{}", '{"prompt":"a","columns":[]}', '{"prompt":"a","columns":[[{"verb":"melt","strength":1,"scope":"all"}]]}', '{"prompt":1,"columns":[[]]}', "null"])(
    "is not half read from %j",
    (text) => expect(sharedSetup(text)).toBeNull(),
  );
});

describe("what the server is asked", () => {
  it("has one verb for each edit, and leaves out what goes without saying", () => {
    const column = [
      edit({ strength: 2 }),
      edit({ verb: "active", strength: 3, scope: "generated" }),
      edit({ verb: "ablate", when: { feature: 1, above: 0 } }),
      edit({ feature: null, vector: "joy", strength: 0.2 }),
      edit({ feature: null }),
    ];
    expect(steeringOf(column)).toEqual({
      edits: [
        { feature: 7, clamp: 2 },
        { feature: 7, active: 3, scope: "generated" },
        { feature: 7, ablate: true, when: { feature: 1, above: 0 } },
        { vector: "joy", add: 0.2 },
      ],
    });
    expect(steeringOf([edit({ feature: null })])).toBeNull();
    expect(featuresOf(column)).toEqual([7]);
  });

  it("is what a preset said", () => {
    const steering = { edits: [{ feature: 1589, clamp: 1 }, { feature: 2, ablate: true, scope: "prompt" }] };
    const column = columnOf(steering);
    expect(column && steeringOf(column)).toEqual(steering);
    for (const odd of [{ edits: [{ feature: 1 }] }, { edits: [] }, "2*412", null, [3]]) expect(columnOf(odd)).toBeNull();
  });

  it("is code that says the same", () => {
    const column = [edit({ verb: "active", strength: 2, scope: "generated", when: { feature: 9, above: 0.5 } })];
    expect(pythonOf(run, setup([column]), column)).toContain(
      'ms.Rule(ms.Clamp(2, where_active=True), features={7: 1.0}, scope=ms.Scope.parse("generated"), when=ms.When(9, above=0.5)),',
    );
    const curl = curlOf("http://127.0.0.1:8000", run, setup([column]), column);
    const body = /-d '(.*)'\n$/s.exec(curl)?.[1]?.replaceAll("'\\''", "'") ?? "";
    expect(JSON.parse(body)).toMatchObject({ prompt: "It's \"so\"", max_tokens: 20, steering: steeringOf(column) });
  });
});

describe("server-sent events", () => {
  const read = async (pieces: (string | Uint8Array<ArrayBuffer>)[]) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
        controller.close();
      },
    });
    const found: string[] = [];
    for await (const each of events(body)) found.push(each);
    return found;
  };

  it("are whole wherever the network cuts them", async () => {
    const text = 'data: {"a":"ñ"}\n\n: a comment\n\ndata: one\ndata: two\n\ndata: [DONE]\n\n';
    const bytes = new TextEncoder().encode(text);
    const wanted = ['{"a":"ñ"}', "one\ntwo", "[DONE]"];
    expect(await read([text])).toEqual(wanted);
    for (let cut = 1; cut < bytes.length; cut += 1) expect(await read([bytes.slice(0, cut), bytes.slice(cut)])).toEqual(wanted);
    expect(await read(["data: last"])).toEqual(["last"]);
  });
});
