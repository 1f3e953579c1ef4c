"""Every number of the index against the same number counted from the dense codes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from features.planted_world import (
    CONTEXT,
    D_MODEL,
    DEAD,
    N_FEATURES,
    OPTIONS,
    PIECE,
    RARE,
    SITE,
    TOPIC,
    VOCABULARY,
    Unembedding,
    World,
    write_store,
)
from monoscope.activations import ActivationStore
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import BrokenInput, MismatchedArtefact, UnknownSite, WrongUse
from monoscope.features import FeatureIndex, IndexOptions, build_index
from monoscope.features.shortlists import uniform_numbers

ALIVE = [feature for feature in range(N_FEATURES) if feature != DEAD]


@pytest.mark.parametrize("feature", range(N_FEATURES))
def test_statistics_are_those_of_the_dense_codes(world: World, index: FeatureIndex, feature: int) -> None:
    codes = world.codes[world.usable, feature]
    record = index.record(feature)
    assert record.n_active == np.count_nonzero(codes)
    assert record.density == pytest.approx(np.mean(codes > 0))
    assert record.max_activation == pytest.approx(codes.max())
    assert record.mean_activation == pytest.approx(codes[codes > 0].mean() if codes.any() else 0)
    assert record.address == f"tiny/blocks.0.resid_post/planted#{feature}"


@pytest.mark.parametrize("feature", ALIVE)
def test_histogram_counts_every_activation_in_its_bin(
    world: World, index: FeatureIndex, feature: int
) -> None:
    codes = world.codes[world.usable, feature]
    histogram = index.record(feature).histogram
    expected, _ = np.histogram(np.log10(codes[codes > 0].astype(np.float64)), histogram.edges)
    assert histogram.counts == tuple(expected)
    assert sum(histogram.counts) == np.count_nonzero(codes)
    assert histogram.counts[0]
    assert histogram.counts[-1]


@pytest.mark.parametrize("feature", ALIVE)
def test_top_examples_are_the_best_of_each_row(world: World, index: FeatureIndex, feature: int) -> None:
    rows = world.codes[:, feature].reshape(-1, CONTEXT)
    best = np.sort(rows.max(1))[::-1][: OPTIONS.top]
    top = [example for example in index.record(feature).examples if example.kind == "top"]
    assert [example.peak for example in top] == pytest.approx(best[best > 0])
    assert len({example.position // CONTEXT for example in top}) == len(top)


@pytest.mark.parametrize("feature", ALIVE)
def test_examples_show_their_surroundings(world: World, index: FeatureIndex, feature: int) -> None:
    for example in index.record(feature).examples:
        place = example.position
        first = place
        while first > place - OPTIONS.window_before and _same_passage(world, first - 1, place):
            first -= 1
        last = place
        while last < place + OPTIONS.window_after and _same_passage(world, last + 1, place):
            last += 1
        assert (example.start, len(example.tokens)) == (first, last - first + 1)
        assert example.tokens == tuple(VOCABULARY[token] for token in world.tokens[first : last + 1])
        codes = world.codes[first : last + 1, feature]
        assert example.activations == pytest.approx(codes, rel=0.0185)
        assert [value == 0 for value in example.activations] == (codes == 0).tolist()
        assert example.peak == example.activations[place - first] == pytest.approx(codes[place - first])
        assert example.document == world.documents[place]


def _same_passage(world: World, position: int, place: int) -> bool:
    same_row = position >= 0 and position // CONTEXT == place // CONTEXT
    return same_row and bool(world.usable[position]) and world.documents[position] == world.documents[place]


@pytest.mark.parametrize("feature", ALIVE)
def test_a_feature_on_few_tokens_of_an_interval_shows_them(
    world: World, index: FeatureIndex, feature: int
) -> None:
    record = index.record(feature)
    top = {example.position for example in record.examples if example.kind == "top"}
    drawn = [example for example in record.examples if example.kind.startswith("interval")]
    assert not top & {example.position for example in drawn}
    numbers = [int(example.kind.removeprefix("interval ")) for example in drawn]
    assert numbers == sorted(numbers, reverse=True)
    for number in range(1, OPTIONS.intervals + 1):
        low, high = (record.max_activation * part / OPTIONS.intervals for part in (number - 1, number))
        inside = np.flatnonzero((world.codes[:, feature] > low) & (world.codes[:, feature] <= high))
        chosen = [example for example, owner in zip(drawn, numbers, strict=True) if owner == number]
        assert {example.position for example in chosen} <= set(inside.tolist()) - top
        assert len(chosen) <= OPTIONS.per_interval
        if len(inside) <= OPTIONS.per_interval:
            assert len(chosen) == len(set(inside.tolist()) - top)


@pytest.mark.parametrize("feature", ALIVE)
def test_random_and_quantile_examples_are_one_uniform_sample(
    world: World, index: FeatureIndex, feature: int
) -> None:
    examples = index.record(feature).examples
    places = np.flatnonzero(world.codes[:, feature])
    chance, _ = uniform_numbers(np.full(len(places), feature), places, OPTIONS.seed)
    drawn = places[np.argsort(chance)][: OPTIONS.drawn]
    random = {example.position for example in examples if example.kind == "random"}
    assert random == set(drawn[: OPTIONS.random].tolist())
    rest = sorted(drawn[OPTIONS.random :].tolist(), key=lambda place: world.codes[place, feature])
    groups = [place * OPTIONS.quantiles // len(rest) + 1 for place in range(len(rest))]
    shown = {example.position: example.kind for example in examples if example.kind.startswith("quantile")}
    assert shown == {place: f"quantile {group}" for place, group in zip(rest, groups, strict=True)}


@pytest.mark.parametrize("feature", ALIVE)
def test_near_misses_have_a_token_of_the_feature_and_all_silent(
    world: World, index: FeatureIndex, feature: int
) -> None:
    record = index.record(feature)
    own = {share.token for share in record.tokens if share.lift > 1}
    found = [example for example in record.examples if example.kind == "near miss"]
    assert len({example.position // CONTEXT for example in found}) == len(found) <= OPTIONS.near_misses
    for example in found:
        assert world.tokens[example.position] in own
        assert set(example.activations) == {0.0}
        shown = slice(example.start, example.start + len(example.tokens))
        assert not world.codes[shown, feature].any()


def test_near_misses_are_found_where_there_are_some(index: FeatureIndex) -> None:
    kinds = [example.kind for example in index.record(TOPIC).examples]
    assert 1 <= kinds.count("near miss") <= OPTIONS.near_misses
    assert "near miss" not in [example.kind for example in index.record(PIECE).examples]


@pytest.mark.parametrize("feature", ALIVE)
def test_coactive_features_are_those_of_highest_correlation(
    world: World, index: FeatureIndex, feature: int
) -> None:
    active = (world.codes[world.usable] > 0).astype(np.float64)
    n, counts = len(active), active.sum(0)
    both = active.T @ active[:, feature]
    spread = counts * (1 - counts / n) + 4
    correlation = (both - counts * counts[feature] / n) / np.sqrt(spread * spread[feature])
    correlation[feature] = 0
    order = [each for each in np.argsort(-correlation, kind="stable") if correlation[each] > 1e-9]
    found = index.record(feature).coactive
    assert [each.feature for each in found] == order[: OPTIONS.coactive_kept]
    for each in found:
        assert each.correlation == pytest.approx(correlation[each.feature])
        assert each.share == pytest.approx(both[each.feature] / counts[feature])


@pytest.mark.parametrize("feature", ALIVE)
def test_token_shares_are_counted(world: World, index: FeatureIndex, feature: int) -> None:
    codes, tokens = world.codes[world.usable, feature].astype(np.float64), world.tokens[world.usable]
    expected = []
    for token in np.unique(tokens[codes > 0]):
        on = codes[tokens == token]
        lift = np.mean(on > 0) / np.mean(codes > 0)
        expected.append((token, np.count_nonzero(on), on.sum() / codes.sum(), lift))
    expected.sort(key=lambda row: -row[2] * (row[3] - 1))
    found = index.record(feature).tokens
    assert len(found) == min(len(expected), OPTIONS.tokens_kept)
    for share, (token, count, mass, lift) in zip(found, expected, strict=False):
        assert (share.token, share.text, share.count) == (token, VOCABULARY[token], count)
        assert (share.share, share.lift) == (pytest.approx(mass), pytest.approx(lift))


@pytest.mark.parametrize("feature", ALIVE)
def test_logit_weights_and_neighbours(
    world: World, unembedding: Unembedding, index: FeatureIndex, feature: int
) -> None:
    weights = unembedding.weights(world.dictionary.directions)[feature].numpy()
    record = index.record(feature)
    order = np.argsort(weights)
    assert [item.token for item in record.promoted] == order[::-1][: OPTIONS.logits_kept].tolist()
    assert [item.weight for item in record.promoted] == pytest.approx(
        np.sort(weights)[::-1][: OPTIONS.logits_kept]
    )
    assert [item.token for item in record.suppressed] == order[: OPTIONS.logits_kept].tolist()
    assert [item.weight for item in record.suppressed] == pytest.approx(
        np.sort(weights)[: OPTIONS.logits_kept]
    )

    directions = world.dictionary.directions
    cosines = torch.nn.functional.cosine_similarity(directions, directions[feature], dim=-1)
    assert len(record.neighbours) == OPTIONS.neighbours_kept
    for neighbour in record.neighbours:
        assert neighbour.feature not in (feature, DEAD)
        assert neighbour.cosine == pytest.approx(cosines[neighbour.feature].item(), abs=1e-6)


def test_a_feature_that_never_fires_has_an_empty_record(index: FeatureIndex) -> None:
    record = index.record(DEAD)
    assert (record.n_active, record.density, record.max_activation, record.mean_activation) == (0, 0, 0, 0)
    assert record.description == "never active on the indexed corpus"
    assert (
        record.examples
        == record.tokens
        == record.promoted
        == record.neighbours
        == record.coactive
        == record.histogram.counts
        == ()
    )


def test_a_feature_on_three_tokens_keeps_all_three(world: World, index: FeatureIndex) -> None:
    assert index.record(RARE).n_active == 3
    shown = [example for example in index.record(RARE).examples if example.kind != "near miss"]
    assert {example.position for example in shown} == set(np.flatnonzero(world.codes[:, RARE]))


def test_the_same_index_comes_out_however_the_stream_is_cut(
    world: World, index: FeatureIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monoscope.features import collect

    whole = collect.stream_firings
    monkeypatch.setattr(
        collect, "stream_firings", lambda *args, **options: whole(*args, **options, batch=13, entries=40)
    )
    cut = build_index(
        world.dictionary,
        world.store,
        vocabulary=VOCABULARY,
        logit_weights=None,
        address="a",
        out=tmp_path / "cut",
        options=OPTIONS,
    )
    for feature in ALIVE:
        first, second = cut.record(feature), index.record(feature)
        assert replace(first, promoted=(), suppressed=(), description="", address="") == replace(
            second, promoted=(), suppressed=(), description="", address=""
        )
        assert first.promoted == ()
    with pytest.raises(WrongUse, match="without logit weights"):
        cut.search("bridge", by="effect")
    assert cut.search("bridge", by="overlap")[0].score == index.search("bridge", by="overlap")[0].score


def test_the_manifest_names_the_parents(world: World, index: FeatureIndex) -> None:
    assert index.manifest.parents == {
        "dictionary": world.dictionary.hash,
        "activations": world.store.hash,
        "model": "m0",
    }
    assert index.manifest.content["n_tokens"] == world.store.n_tokens
    assert index.manifest.options["per_interval"] == OPTIONS.per_interval


def test_progress_ends_at_the_number_of_tokens(world: World, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    options = {"vocabulary": VOCABULARY, "logit_weights": None, "address": "a", "out": tmp_path / "features"}
    build_index(world.dictionary, world.store, progress=lambda *step: seen.append(step), **options)
    assert seen[-1] == (world.store.n_tokens, world.store.n_tokens)


def test_an_interrupted_index_leaves_the_old_one(world: World, tmp_path: Path) -> None:
    options = {"vocabulary": VOCABULARY, "logit_weights": None, "address": "a", "out": tmp_path / "features"}
    old = build_index(world.dictionary, world.store, **options).manifest.hash

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(world.dictionary, world.store, progress=interrupt, **options)
    assert FeatureIndex.open(tmp_path / "features").manifest.hash == old
    assert [path.name for path in tmp_path.iterdir()] == ["features"]


def _index(
    world: World, out: Path, dictionary: SparseAutoencoder, vocabulary: list[str], **options
) -> FeatureIndex:
    return build_index(
        dictionary,
        world.store,
        vocabulary=vocabulary,
        address="a",
        out=out,
        logit_weights=options.pop("logit_weights", None),
        **options,
    )


def _dictionary(site: str = SITE, d_model: int = D_MODEL, model_hash: str = "m0") -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=8, sparsifier=TopK(2))
    return SparseAutoencoder.initialise(d_model, options, seed=0, site=site, model_hash=model_hash)


def test_parts_that_do_not_fit_are_refused(world: World, tmp_path: Path) -> None:
    out = tmp_path / "features"
    with pytest.raises(UnknownSite, match=r"blocks\.1\.resid_post"):
        _index(world, out, _dictionary(site="blocks.1.resid_post"), VOCABULARY)
    with pytest.raises(MismatchedArtefact, match="width 8"):
        _index(world, out, _dictionary(d_model=8), VOCABULARY)
    with pytest.raises(MismatchedArtefact, match="m1"):
        _index(world, out, _dictionary(model_hash="m1"), VOCABULARY)
    with pytest.raises(MismatchedArtefact, match="vocabulary has 3"):
        _index(world, out, _dictionary(), VOCABULARY[:3])
    with pytest.raises(MismatchedArtefact, match="logit weights"):
        _index(world, out, _dictionary(), VOCABULARY, logit_weights=lambda rows: torch.zeros(len(rows), 3))
    silent = _dictionary()
    silent.encoder_bias -= 1e6
    with pytest.raises(BrokenInput, match="no feature"):
        _index(world, out, silent, VOCABULARY)
    assert not list(tmp_path.iterdir())


def test_options_without_sense_are_refused() -> None:
    with pytest.raises(WrongUse, match="top = 0"):
        IndexOptions(top=0)
    with pytest.raises(WrongUse, match="window_after = -1"):
        IndexOptions(window_after=-1)


def test_an_empty_store_is_refused(world: World, tmp_path: Path) -> None:
    rows = world.store.rows
    padding = type(rows)(rows.tokens[:1] * 0, rows.document_ids[:1] * 0 - 1, (0,), (), {})
    (tmp_path / "store").mkdir()
    with pytest.raises(BrokenInput, match="no tokens"):
        build_index(
            _dictionary(),
            _empty(tmp_path / "empty", padding),
            vocabulary=VOCABULARY,
            logit_weights=None,
            address="a",
            out=tmp_path / "features",
        )


def _empty(folder: Path, rows) -> ActivationStore:
    return write_store(folder, rows, torch.zeros(0, D_MODEL))
