// Unpacks what monoscope.explore.cards packed: a summary of all cards, and blocks of whole cards.

const FIRST_CODE = 0x20;
const SURROGATES = 0x800;

/** Base64 of deflated JSON to its value. */
async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/** Texts of tokens, each of which is one character. */
function spelled(characters, vocabulary) {
  return Array.from(characters, (character) => {
    const code = character.codePointAt(0);
    return vocabulary[(code < 0xd800 ? code : code - SURROGATES) - FIRST_CODE];
  });
}

/** Activations, each of which is one character. */
function activations(characters, levels, largest) {
  return Array.from(characters, (character) => ((character.charCodeAt(0) - FIRST_CODE) / levels) * largest);
}

/** Effects, each of which is one character, from `-largest` to `largest`; null where nothing is known. */
function effects(characters, levels, largest) {
  const middle = levels / 2;
  return characters.map((character) => {
    const step = character.charCodeAt(0) - FIRST_CODE;
    return step > levels ? null : ((step - middle) / middle) * largest;
  });
}

/** All cards of the page: columns for the list, and `card(place)` for one of them. */
async function openCards(template) {
  const packed = Array.from(template.content.children, (element) => element.textContent);
  const all = await unpack(packed[0]);
  const places = new Map(all.feature.map((feature, place) => [feature, place]));
  const blocks = new Map();

  function block(number) {
    if (!blocks.has(number)) blocks.set(number, unpack(packed[1 + number]).then(withTexts));
    return blocks.get(number);
  }

  /** Cards' facts, their examples followed by the characters of their tokens, activations and effects. */
  function withTexts([facts, tokens, values, steps, words]) {
    const [tokenOf, valueOf, stepOf] = [tokens, values, steps].map((characters) => Array.from(characters));
    let [start, from] = [0, 0];
    for (const examples of facts.map((each) => each.at(-1))) {
      for (const example of examples) {
        const length = example.pop();
        const [, , , raised, lowered] = example.at(-1) || [];
        const until = from + (example.at(-1) ? length + Array.from(raised + lowered).length : 0);
        example.push(tokenOf.slice(start, start + length), valueOf.slice(start, start + length));
        example.push(stepOf.slice(from, until));
        [start, from] = [start + length, until];
      }
    }
    facts.forEach((each, place) => each.push(words[place]));
    return facts;
  }

  /** What the model did without the feature, or null where it was not asked. */
  function effectOf(effect, length, steps) {
    if (!effect) return null;
    const [next, largestLoss, largestVote, ...voted] = effect;
    const [raised, lowered] = voted.map((characters) => spelled(characters, all.vocabulary));
    const nats = effects(steps.slice(length), all.levels, largestVote);
    return {
      next,
      losses: effects(steps.slice(0, length), all.levels, largestLoss),
      promoted: raised.map((text, each) => ({ text, nats: nats[each] })),
      suppressed: lowered.map((text, each) => ({ text, nats: nats[raised.length + each] })),
    };
  }

  function texts(name, place) {
    return spelled(all[name][place], all.vocabulary);
  }

  async function card(place) {
    const whole = await block(Math.floor(place / all.perBlock));
    const [address, active, mean, span, counts, shares, raised, lowered, near, together, said, found, examples, words] =
      whole[place % all.perBlock];
    const largest = all.largest[place];
    const weighted = (name, weights) => texts(name, place).map((text, each) => ({ text, weight: weights[each] }));
    return {
      place,
      feature: all.feature[place],
      description: all.description[place],
      density: all.density[place],
      address,
      active,
      mean,
      largest,
      histogram: { span, counts },
      tokens: texts("tokens", place).map((text, each) => ({ text, share: shares[each][0], lift: shares[each][1] })),
      promoted: weighted("promoted", raised),
      suppressed: weighted("suppressed", lowered),
      neighbours: near.map(([feature, cosine]) => ({ feature, cosine })),
      coactive: together.map(([feature, correlation, share]) => ({
        feature,
        correlation: correlation / 100,
        share: share / 100,
      })),
      descriptions: said.map(([method, scores, kind], each) => ({ method, kind, text: words[each], scores })),
      patterns: found.map(([matches, active], each) => ({ text: words[said.length + each], matches, active })),
      examples: examples.map(([kind, document, peakAt, peak, effect, tokens, values, steps]) => ({
        kind,
        document,
        peakAt,
        peak,
        tokens: spelled(tokens, all.vocabulary),
        activations: activations(values, all.levels, largest),
        effect: effectOf(effect, tokens.length, steps),
      })),
    };
  }

  return { ...all, count: all.feature.length, places, texts, card };
}
