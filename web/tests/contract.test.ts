import { expect, it } from "vitest";
import type { Attribution, Evaluation, FeatureRecord, FeatureRows, Forming, LearnVector, Lens, Reread, Run, Tour, Training, Vector, VectorDetails, VectorReading } from "../src/answers";
import type { components } from "../src/openapi";

type Served = components["schemas"];
/** Lists in a record whose rows the server's description leaves open. */
type Open = "examples" | "tokens" | "promoted" | "suppressed" | "neighbours" | "coactive" | "descriptions" | "patterns" | "effects";

/** Compiles only where what is given fits what is wanted: `npm run check` compares the types. */
const fits = <Wanted, Given extends Wanted>(given?: Given): Wanted | undefined => given;

it("what the server describes is what the page takes it for", () => {
  const compared = [
    fits<Run, Served["RunFacts"]>(),
    fits<Evaluation, Served["ReportCard"]>(),
    fits<Training, Served["Training"]>(),
    fits<FeatureRows, Served["Rows"]>(),
    fits<Omit<FeatureRecord, Open>, Omit<Served["Card"], Open>>(),
    fits<Lens, Served["Lens"]>(),
    fits<Attribution, Served["AttributionAnswer"]>(),
    fits<Reread, Served["RereadAnswer"]>(),
    fits<Tour, Served["Tour"]>(),
    fits<Forming, Served["Forming"]>(),
    fits<Vector, Served["VectorTold"]>(),
    fits<VectorDetails, Served["VectorDetails"]>(),
    fits<VectorReading, Served["ReadAnswer"]>(),
    fits<Served["LearnBody"], LearnVector>(),
  ];
  expect(compared).toHaveLength(14);
});
