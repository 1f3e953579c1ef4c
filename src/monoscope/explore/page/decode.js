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

  /** Cards' facts, their examples followed by the characters of their tokens and activations. */
  function withTexts([facts, tokens, values]) {
    const [tokenOf, valueOf] = [Array.from(tokens), Array.from(values)];
    let start = 0;
    for (const examples of facts.map((each) => each.at(-1))) {
      for (const example of examples) {
        const end = start + example.pop();
        example.push(tokenOf.slice(start, end), valueOf.slice(start, end));
        start = end;
      }
    }
    return facts;
  }

  function texts(name, place) {
    return spelled(all[name][place], all.vocabulary);
  }

  async function card(place) {
    const whole = await block(Math.floor(place / all.perBlock));
    const [address, active, mean, span, counts, shares, raised, lowered, near, examples] = whole[place % all.perBlock];
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
      examples: examples.map(([kind, document, peakAt, peak, tokens, values]) => ({
        kind,
        document,
        peakAt,
        peak,
        tokens: spelled(tokens, all.vocabulary),
        activations: activations(values, all.levels, largest),
      })),
    };
  }

  return { ...all, count: all.feature.length, places, texts, card };
}
