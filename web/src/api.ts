// How the server is asked.

import type { Attribution, Evaluation, FeatureQuery, FeatureRecord, FeatureRows, Forming, LearnVector, Lens, Reread, RereadQuestion, Run, Tour, Training, Vector, VectorDetails, VectorFormat, VectorReading, Vectors, WriteQuestion } from "./answers";
import { events } from "./events";

export type * from "./answers";

/** What the server refused, in its own words. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly hint: string | null,
    readonly code: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {}

/** Whether a request was given up by this page itself. */
export function aborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: { message: string; hint?: string | null; code: string } };
    return new ApiError(error.message, error.hint ?? null, error.code, response.status);
  } catch {
    return new ApiError(`${response.status} ${response.statusText}`.trim(), null, "unknown", response.status);
  }
}

export interface Api {
  run(signal?: AbortSignal): Promise<Run>;
  evaluation(signal?: AbortSignal): Promise<Evaluation>;
  forming(signal?: AbortSignal): Promise<Forming>;
  training(signal?: AbortSignal): Promise<Training>;
  tour(signal?: AbortSignal): Promise<Tour>;
  features(query: Partial<FeatureQuery>, offset: number, limit: number, signal?: AbortSignal): Promise<FeatureRows>;
  feature(number: number, signal?: AbortSignal): Promise<FeatureRecord>;
  lens(text: string, limit: number, signal?: AbortSignal): Promise<Lens>;
  attribution(text: string, position: number, limit: number, signal?: AbortSignal): Promise<Attribution>;
  reread(question: RereadQuestion, signal?: AbortSignal): Promise<Reread>;
  /** The map's bytes; null while it is still being drawn. */
  map(signal?: AbortSignal): Promise<ArrayBuffer | null>;
  /** What the model writes, piece by piece. */
  write(question: WriteQuestion, signal?: AbortSignal): AsyncGenerator<string>;
  vectors(signal?: AbortSignal): Promise<Vectors>;
  vector(name: string, signal?: AbortSignal): Promise<VectorDetails>;
  learnVector(body: LearnVector, signal?: AbortSignal): Promise<Vector>;
  /** Where each token of a text lies along a vector behind a block; null for its best block. */
  vectorReading(name: string, text: string, block: number | null, signal?: AbortSignal): Promise<VectorReading>;
  /** A vector as a file; the strength is what llama.cpp's scale 1 will be. */
  vectorFile(name: string, format: VectorFormat, strength: number, signal?: AbortSignal): Promise<Blob>;
}

/** The API with a token; `refused` is called when the server does not take it. */
export function openApi(token: () => string, refused: () => void): Api {
  async function ask(address: string, accept: string, signal?: AbortSignal, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = { Accept: accept, Authorization: `Bearer ${token()}` };
    const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(address, { headers, ...sent, ...(signal ? { signal } : {}) });
    } catch (error) {
      if (aborted(error)) throw error;
      throw new Unreachable();
    }
    if (response.status === 401) refused();
    if (!response.ok) throw await refusal(response);
    return response;
  }

  async function get<Answer>(path: string, signal?: AbortSignal, body?: unknown): Promise<Answer> {
    return (await (await ask(`api/${path}`, "application/json", signal, body)).json()) as Answer;
  }

  return {
    run: (signal) => get("run", signal),
    evaluation: (signal) => get("evaluation", signal),
    forming: (signal) => get("forming", signal),
    training: (signal) => get("training", signal),
    tour: (signal) => get("tour", signal),
    features(query, offset, limit, signal) {
      const said = Object.entries(query).filter(([, value]) => value !== "");
      const parameters = new URLSearchParams([...said, ["offset", String(offset)], ["limit", String(limit)]]);
      return get(`features?${parameters}`, signal);
    },
    feature: (number, signal) => get(`features/${number}`, signal),
    lens: (text, limit, signal) => get("lens", signal, { text, limit }),
    attribution: (text, position, limit, signal) => get("attribution", signal, { text, position, limit }),
    reread: (question, signal) => get("reread", signal, question),
    async map(signal) {
      const response = await ask("api/map", "application/octet-stream", signal);
      return response.status === 202 ? null : await response.arrayBuffer();
    },
    async *write(question, signal) {
      const response = await ask("v1/completions", "text/event-stream", signal, { ...question, stream: true });
      if (!response.body) throw new Unreachable();
      for await (const said of events(response.body)) {
        if (said === "[DONE]") return;
        const { choices, error } = JSON.parse(said) as Piece;
        if (error) throw new ApiError(error.message, error.hint ?? null, error.code ?? "unknown", 500);
        for (const { text } of choices ?? []) if (text) yield text;
      }
    },
    vectors: (signal) => get("vectors", signal),
    vector: (name, signal) => get(`vectors/${encodeURIComponent(name)}`, signal),
    learnVector: (body, signal) => get("vectors", signal, body),
    vectorReading: (name, text, block, signal) => get(`vectors/${encodeURIComponent(name)}/reading`, signal, { text, block }),
    async vectorFile(name, format, strength, signal) {
      const parameters = new URLSearchParams(format === "gguf" ? { format, strength: String(strength) } : { format });
      return (await ask(`api/vectors/${encodeURIComponent(name)}/file?${parameters}`, "application/octet-stream", signal)).blob();
    },
  };
}

interface Piece {
  choices?: { text?: string }[];
  error?: { message: string; hint?: string; code?: string };
}
