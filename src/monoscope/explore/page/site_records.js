// Reads what monoscope.explore.export.records wrote: compressed records, each by its byte range.

const OFFSET_BYTES = 8;
const OFFSETS_AT_ONCE = 512;
const RECORDS_KEPT = 512;
const FILES_KEPT = 8;

/** What `make()` gives for a key, made once and kept while it is among the last ones asked for. */
function kept(cache, most, key, make) {
  const value = cache.get(key) ?? make();
  cache.delete(key);
  cache.set(key, value);
  value.catch(() => cache.delete(key));
  if (cache.size > most) cache.delete(cache.keys().next().value);
  return value;
}

/**
 * Files of this site, in parts: `read(path, start, end)` gives bytes. A host that does not know ranges answers with
 * the whole file, which is then kept and cut here.
 */
function openHost(version) {
  const files = new Map();
  let ranges = null;
  let first = null;

  async function ask(path, headers = {}) {
    const response = await fetch(`${path}?v=${version}`, { headers });
    if (!response.ok) throw new Error(`The server answers ${response.status} for ${path}.`);
    return response;
  }

  async function whole(path, start, end) {
    const all = await kept(files, FILES_KEPT, path, async () => bytesOf(await ask(path)));
    return all.subarray(start, end);
  }

  async function part(path, start, end) {
    const response = await ask(path, { Range: `bytes=${start}-${end - 1}` });
    ranges = response.status === 206;
    const bytes = await bytesOf(response);
    if (!ranges) kept(files, FILES_KEPT, path, () => Promise.resolve(bytes));
    const found = ranges ? bytes : bytes.subarray(start, end);
    if (found.length !== end - start) throw new Error(`The server sent a wrong part of ${path}.`);
    return found;
  }

  /** The first answer tells how the others are to be asked for, so they wait for it. */
  async function read(path, start, end) {
    if (first !== null) await first;
    if (ranges === false) return whole(path, start, end);
    const bytes = part(path, start, end);
    first ??= bytes.catch(() => null);
    return bytes;
  }

  return { read };
}

async function bytesOf(response) {
  return new Uint8Array(await response.arrayBuffer());
}

async function unzipped(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** The records of one folder: `record(i)`, and `run(first, end)` for neighbours in one request a file. */
function openRecords(host, folder, { records, shards }) {
  const offsets = new Map();
  const read = new Map();

  function offsetBlock(block) {
    const [first, end] = [block * OFFSETS_AT_ONCE, Math.min((block + 1) * OFFSETS_AT_ONCE, records + 1)];
    return kept(offsets, RECORDS_KEPT, block, async () => {
      const bytes = await host.read(`${folder}/offsets.bin`, first * OFFSET_BYTES, end * OFFSET_BYTES);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return Array.from({ length: end - first }, (_, each) => Number(view.getBigUint64(each * OFFSET_BYTES, true)));
    });
  }

  /** Where record `first` begins, and so on, up to where record `end` would begin. */
  async function placesOf(first, end) {
    const blocks = [];
    for (let block = Math.floor(first / OFFSETS_AT_ONCE); block * OFFSETS_AT_ONCE <= end; block += 1) {
      blocks.push(offsetBlock(block));
    }
    const from = first % OFFSETS_AT_ONCE;
    return (await Promise.all(blocks)).flat().slice(from, from + end - first + 1);
  }

  const fileOf = (place) => shards.findLastIndex((start) => start <= place);

  /** Records that lie in the same file, in one request. */
  async function stretch(places) {
    const file = fileOf(places[0]);
    const path = `${folder}/${String(file).padStart(5, "0")}.bin`;
    const bytes = await host.read(path, places[0] - shards[file], places.at(-1) - shards[file]);
    const [starts, ends] = [places.slice(0, -1), places.slice(1)];
    return Promise.all(starts.map((start, each) => unzipped(bytes.subarray(start - places[0], ends[each] - places[0]))));
  }

  async function run(first, end) {
    if (first >= end) return [];
    const places = await placesOf(first, end);
    const stretches = [];
    for (let from = 0; from < places.length - 1; ) {
      let to = from + 1;
      while (to < places.length - 1 && fileOf(places[to]) === fileOf(places[from])) to += 1;
      stretches.push(stretch(places.slice(from, to + 1)));
      from = to;
    }
    return (await Promise.all(stretches)).flat();
  }

  const record = (number) => kept(read, RECORDS_KEPT, number, async () => (await run(number, number + 1))[0]);
  return { record, run };
}
