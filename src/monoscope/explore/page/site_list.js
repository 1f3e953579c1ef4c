// The list: rows of an order or of a search's results, read and made as they are scrolled to.

const RESULTS_AT_ONCE = 20;

/** Rows of the list: `row(feature)`, and the orders that were written. */
function openRows(records, { per_record: perRecord, orders }) {
  const at = (columns, place) => ({
    feature: columns.feature[place],
    description: columns.description[place],
    density: columns.density[place],
    largest: columns.largest[place],
  });

  const row = async (feature) => at(await records.record(Math.floor(feature / perRecord)), feature % perRecord);

  /** An order as a source of rows. */
  function ordered(name) {
    const { first, rows } = orders[name];
    return {
      length: rows,
      step: perRecord,
      async part(start) {
        const columns = await records.record(first + start / perRecord);
        return columns.feature.map((_, place) => at(columns, place));
      },
    };
  }

  /** Features that a search found as a source of rows. */
  function found(features) {
    return {
      length: features.length,
      step: RESULTS_AT_ONCE,
      part: (start) => Promise.all(features.slice(start, start + RESULTS_AT_ONCE).map(row)),
    };
  }

  return { row, ordered, found };
}

function siteRow({ feature, description, density, largest }, order) {
  const often = density ? percent(density) : "silent";
  return make(
    "li",
    {},
    make(
      "a",
      { href: `#/feature/${feature}`, "data-feature": feature, class: density ? "" : "silent" },
      make("span", { class: "number" }, String(feature)),
      make("span", { class: "words", dir: "auto" }, briefly(description)),
      make("span", { class: "rate" }, order === "strong" ? written(largest) : often),
    ),
  );
}

/** The list on the page; `current()` gives the number of the open feature. */
function startSiteList(list, current) {
  const state = { source: null, order: "", rows: [], drawing: null };

  function mark() {
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    list.querySelector(`[data-feature="${current()}"]`)?.setAttribute("aria-current", "true");
  }

  async function drawNext(source) {
    const rows = await source.part(state.rows.length);
    if (source !== state.source) return;
    state.rows.push(...rows);
    list.append(...rows.map((row) => siteRow(row, state.order)));
    mark();
  }

  /** Draw on unless all is drawn or being drawn. */
  function draw() {
    if (!state.source || state.rows.length >= state.source.length) return Promise.resolve();
    state.drawing ??= drawNext(state.source)
      .catch((error) => list.append(make("li", { class: "wait problem" }, error.message)))
      .finally(() => { state.drawing = null; });
    return state.drawing;
  }

  /** Show other rows, from their beginning. */
  async function show(source, order) {
    await state.drawing;
    Object.assign(state, { source, order, rows: [] });
    list.replaceChildren();
    list.scrollTop = 0;
    await draw();
  }

  followRows(list, draw);
  return { mark, show, draw, rows: () => state.rows };
}
