// Search in what monoscope.explore.export.postings wrote: words in sorted chunks, found through their directory.

const LONGER_WORDS_FROM = 2;
const LONGER_CHUNKS = 12;
const NUMBER_SCORE = 100;
const RUNS_KEPT = 24;

/** What a text is found by; `postings.py` does the same. */
function wordsOf(text, longest) {
  const units = text.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
  const words = units.flatMap((unit) => unit.match(/[\p{L}\p{N}_]+/gu) ?? [unit]);
  return [...new Set(words.map((word) => Array.from(word).slice(0, longest).join("")))];
}

/** First place in a sorted list at which `holds`. */
function firstPlace(list, holds) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The search: `find(text)` gives `features`, best first, that go with every word of the text; `ignored`, words that
 * go with so many features that they tell nothing; and `cut`, words of which not all longer ones were looked at.
 */
function openWords(records, { records: count, longest, left_out: leftOut }, nFeatures) {
  const ignorable = new Set(leftOut);
  const runs = new Map();
  let directory = null;

  /** Chunks that may hold words from `low` to `high`. */
  function chunksOf(words, low, high) {
    const first = Math.max(0, firstPlace(words, (word) => word >= low) - 1);
    return [first, firstPlace(words, (word) => word > high)];
  }

  /** Feature -> score: of the word itself as it was written down, of a word that only begins so half of it. */
  async function scoresOf(word, cut) {
    directory ??= records.record(count - 1);
    const words = await directory;
    const [first, exactEnd] = chunksOf(words, word, word);
    const begins = word.length >= LONGER_WORDS_FROM;
    const wanted = begins ? chunksOf(words, word, `${word}\uffff`)[1] : exactEnd;
    const end = Math.min(wanted, exactEnd + LONGER_CHUNKS);
    if (end < wanted) cut.push(word);
    const scores = new Map();
    const chunks = await kept(runs, RUNS_KEPT, `${first} ${end}`, () => records.run(first, end));
    for (const [found, steps, digits] of chunks.flat()) {
      if (found !== word && !(begins && found.startsWith(word))) continue;
      let feature = 0;
      steps.forEach((step, place) => {
        feature += step;
        const score = Number.parseInt(digits[place], 16) / (found === word ? 1 : 2);
        if (score > (scores.get(feature) ?? 0)) scores.set(feature, score);
      });
    }
    if (/^\d+$/.test(word) && Number(word) < nFeatures) scores.set(Number(word), NUMBER_SCORE);
    return scores;
  }

  async function find(text) {
    const asked = wordsOf(text.replaceAll("#", " "), longest);
    const words = asked.filter((word) => !ignorable.has(word));
    const cut = [];
    const each = await Promise.all(words.map((word) => scoresOf(word, cut)));
    const [fewest = new Map(), ...others] = each.sort((a, b) => a.size - b.size);
    const total = new Map();
    for (const [feature, score] of fewest) {
      const scores = others.map((scores) => scores.get(feature));
      if (!scores.includes(undefined)) total.set(feature, scores.reduce((sum, more) => sum + more, score));
    }
    const features = [...total.keys()].sort((a, b) => total.get(b) - total.get(a) || a - b);
    return { features, ignored: asked.filter((word) => ignorable.has(word)), cut };
  }

  return { find };
}
