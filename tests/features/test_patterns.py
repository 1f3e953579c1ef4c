"""Patterns of features whose n-grams are known, and the laws of finding, matching and scoring them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.errors import BrokenInput, WrongUse
from monoscope.features.firings import Firings
from monoscope.features.patterns import (
    START,
    WILDCARD,
    Counts,
    Examples,
    FeaturePatterns,
    Pattern,
    PatternOptions,
    PatternTally,
    PatternTrie,
    find_patterns,
    held_out,
    token_patterns,
)

N_TOKENS = 40
TOKEN, TRIGRAM, GAP, AFTER, FIRST, EITHER, TOPIC, DEAD = range(8)
"""Features that fire on [7]; 3 4 [5]; 3 * [6]; 8 9 [*]; ^ [2]; 14 13 * [11] and 14 * 12 [11]; anywhere in texts
about 20 (once named); nowhere."""
PLANTED = {
    TOKEN: {(7,)},
    TRIGRAM: {(3, 4, 5)},
    GAP: {(3, WILDCARD, 6)},
    AFTER: {(8, 9, WILDCARD)},
    FIRST: {(START, 2)},
    EITHER: {(14, 13, WILDCARD, 11), (14, WILDCARD, 12, 11)},
}
N_FEATURES = 8
LENGTH = 40
"""Tokens of a document."""


def planted_codes(texts: np.ndarray) -> np.ndarray:
    """Activation of every feature on every token, ``[text, token, n_features]``; a text begins at its first
    token.
    """
    codes = np.zeros((*texts.shape, N_FEATURES))
    back = [np.pad(texts, ((0, 0), (n, 0)), constant_values=-9)[:, : texts.shape[1]] for n in range(4)]
    codes[..., TOKEN] = back[0] == 7
    codes[..., TRIGRAM] = 2.0 * ((back[0] == 5) & (back[1] == 4) & (back[2] == 3))
    codes[..., GAP] = 3.0 * ((back[0] == 6) & (back[2] == 3))
    codes[..., AFTER] = 0.5 * ((back[1] == 9) & (back[2] == 8))
    codes[..., FIRST] = (back[0] == 2) & (np.arange(texts.shape[1]) == 0)
    codes[..., EITHER] = (back[0] == 11) & ((back[1] == 12) | (back[2] == 13)) & (back[3] == 14)
    codes[..., TOPIC] = np.maximum.accumulate(texts == 20, axis=1)
    return codes


class Model:
    """Activations at the end of texts, as a model would give them; counts the texts."""

    def __init__(self) -> None:
        self.texts = 0

    def __call__(self, texts: np.ndarray, which: np.ndarray, features: np.ndarray) -> np.ndarray:
        assert len(np.unique(texts, axis=0)) == len(texts)
        self.texts += len(texts)
        return planted_codes(texts)[:, -1][which, features]


@dataclass(frozen=True)
class Corpus:
    """Documents, one a passage, with the firings and which positions are held out."""

    tokens: np.ndarray
    passage: np.ndarray
    firings: Firings
    kept_apart: np.ndarray
    largest: np.ndarray

    @property
    def training(self) -> Examples:
        away = ~self.kept_apart[self.firings.positions]
        return Examples.sort(
            self.firings.features[away], self.firings.positions[away], self.firings.values[away]
        )

    @property
    def scored(self) -> np.ndarray:
        return np.flatnonzero(self.kept_apart)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    random = np.random.default_rng(0)
    texts = random.integers(0, N_TOKENS, (400, LENGTH))
    texts[:, 1:][texts[:, 1:] == 20] = 21
    any_token = WILDCARD
    grams = (
        *([3, 4, 5], [3, any_token, 6], [8, 9, any_token], [2, 4, 5], [5, 9, 6]),
        *([14, 13, 12, 11], [14, 13, any_token, 11], [14, any_token, 12, 11], [13, 12, 11], [14, 3, 11]),
    )
    for gram in grams:
        drawn = np.where(np.array(gram) < 0, random.integers(21, N_TOKENS, (len(texts), len(gram))), gram)
        for text in np.flatnonzero(random.random(len(texts)) < 0.4):
            place = random.integers(1, LENGTH - 4)
            texts[text, place : place + len(gram)] = drawn[text]
    texts[random.random(len(texts)) < 0.3, 10] = 20
    texts[::3, 0] = 2
    codes = planted_codes(texts)
    rows, columns, features = np.nonzero(codes)
    firings = Firings.sort(
        features, rows * LENGTH + columns, codes[rows, columns, features].astype(np.float32), texts.size
    )
    documents = np.repeat(np.arange(len(texts)), LENGTH)
    return Corpus(texts.reshape(-1), documents, firings, held_out(documents, 0.5, seed=1), codes.max((0, 1)))


def few(examples: Examples, each: int = 24) -> Examples:
    """At most ``each`` examples of a feature, drawn evenly."""
    chosen = np.zeros(len(examples), bool)
    random = np.random.default_rng(3)
    for feature in np.unique(examples.features):
        ours = np.flatnonzero(examples.features == feature)
        chosen[random.choice(ours, min(each, len(ours)), replace=False)] = True
    return examples.where(chosen)


def scored(
    found: Sequence[FeaturePatterns], corpus: Corpus, options: PatternOptions
) -> list[FeaturePatterns]:
    tally = PatternTally(found, options.thresholds)
    tally.update(corpus.firings, corpus.tokens, corpus.passage, corpus.scored)
    return tally.scored()


@pytest.fixture(scope="module")
def records(corpus: Corpus) -> list[FeaturePatterns]:
    options = PatternOptions(draws=8)
    found = find_patterns(
        few(corpus.training), corpus.tokens, corpus.passage, Model(), largest=corpus.largest, options=options
    )
    return scored(found, corpus, options)


def test_planted_n_grams_are_found_as_they_were_planted(records: list[FeaturePatterns]) -> None:
    for feature, patterns in PLANTED.items():
        record = records[feature]
        assert {pattern.tokens for pattern in record.patterns} == patterns
        assert record.explained_examples == record.n_examples
        assert record.share == pytest.approx(1)
        for pattern in record.patterns:
            assert pattern.activation == pytest.approx(1)
            assert pattern.matches == pattern.active
            assert pattern.active is not None
            assert 0 < pattern.active <= record.counts[0].n_active


@pytest.mark.parametrize("feature", [TOKEN, TRIGRAM, GAP, AFTER, FIRST, EITHER])
def test_planted_n_grams_are_predicted(records: list[FeaturePatterns], feature: int) -> None:
    for counts in records[feature].counts:
        assert counts.n_active > 30
        assert counts.precision is not None
        assert counts.precision >= 0.9
        assert counts.recall is not None
        assert counts.recall >= 0.9
    assert records[feature].correlation is not None
    assert records[feature].correlation > 0.9


def test_tokens_alone_say_less_than_patterns(records: list[FeaturePatterns], corpus: Corpus) -> None:
    baseline = token_patterns(few(corpus.training), corpus.tokens, largest=corpus.largest)
    baseline = scored(baseline, corpus, PatternOptions())
    for feature in (TRIGRAM, GAP, AFTER, FIRST, EITHER):
        ours, theirs = records[feature].counts[0].precision, baseline[feature].counts[0].precision
        assert ours is not None
        assert theirs is not None
        assert ours > theirs + 0.3
    assert {pattern.tokens for pattern in baseline[TRIGRAM].patterns} == {(5,)}


def test_a_feature_of_context_has_less_recall_than_precision(records: list[FeaturePatterns]) -> None:
    record = records[TOPIC]
    counts = record.counts[0]
    assert counts.precision is not None
    assert counts.recall is not None
    assert 0 < counts.recall < 0.8 * counts.precision
    assert record.explained_examples < record.n_examples
    assert record.to_json()["counts"][0]["recall"] == counts.recall


def test_tokens_that_stand_in_for_each_other_are_not_both_wildcards(corpus: Corpus) -> None:
    # In «14 13 12 11» each of the two is dispensable while the other is there.
    examples = corpus.training
    behind = np.stack([corpus.tokens[examples.positions - n] for n in (1, 2)])
    both = examples.where((examples.features == EITHER) & (behind == [[12], [13]]).all(0))
    assert len(both) > 10
    found = find_patterns(both, corpus.tokens, corpus.passage, Model(), largest=corpus.largest)
    assert {pattern.tokens for pattern in found[EITHER].patterns} <= PLANTED[EITHER]
    assert found[EITHER].explained_examples == len(both)


@pytest.mark.parametrize("seed", range(8))
def test_a_token_is_never_replaced_by_itself(seed: int) -> None:
    tokens = np.array([0, 3, 1, 2, 1, 1, 2])

    def one_before_two(texts: np.ndarray, which: np.ndarray, features: np.ndarray) -> np.ndarray:
        back = texts[:, -2] if texts.shape[1] > 1 else np.zeros(len(texts))
        return ((back == 1) & (texts[:, -1] == 2)).astype(np.float64)[which]

    found = find_patterns(
        Examples(np.array([0]), np.array([6]), np.array([1.0])),
        tokens,
        np.zeros(7, np.int64),
        one_before_two,
        largest=np.ones(1),
        options=PatternOptions(draws=1, before=0, longest=4, seed=seed),
    )
    assert [pattern.tokens for pattern in found[0].patterns] == [(1, 2)]


def test_a_feature_that_never_fires_has_a_record(records: list[FeaturePatterns]) -> None:
    assert records[DEAD].patterns == ()
    assert records[DEAD].n_examples == 0
    assert records[DEAD].share is None
    assert records[DEAD].correlation is None
    assert (records[DEAD].counts[0].precision, records[DEAD].counts[0].recall) == (None, None)


def test_nothing_at_all_to_look_at(corpus: Corpus) -> None:
    none = np.zeros(0, np.int64)
    found = find_patterns(
        Examples.of_records([]), corpus.tokens, corpus.passage, Model(), largest=np.zeros(3)
    )
    assert [record.patterns for record in found] == [()] * 3
    tally = PatternTally(found, (0.0,))
    tally.update(Firings.sort(none, none, np.zeros(0), 0), corpus.tokens, corpus.passage, none)
    assert [record.counts[0].n_tokens for record in tally.scored()] == [0] * 3


def test_every_pattern_obeys_its_law_on_other_draws(records: list[FeaturePatterns]) -> None:
    random = np.random.default_rng(9)
    for feature in PLANTED:
        for pattern in records[feature].patterns:
            body = [token for token in pattern.tokens if token != START]
            texts = np.where(np.array(body) < 0, random.integers(21, N_TOKENS, (50, len(body))), body)
            if pattern.tokens[0] != START:
                texts = np.concatenate([random.integers(21, N_TOKENS, (50, 5)), texts], 1)
            codes = planted_codes(texts)[:, -1, feature] / records[feature].largest
            assert (codes >= 0.5 * pattern.activation).all()


def test_features_together_equal_features_alone(corpus: Corpus) -> None:
    examples = few(corpus.training, 6)

    def patterns(chosen: Examples, model: Model) -> list[FeaturePatterns]:
        return find_patterns(chosen, corpus.tokens, corpus.passage, model, largest=corpus.largest)

    together, separate = Model(), Model()
    whole = patterns(examples, together)
    for feature in range(N_FEATURES):
        alone = patterns(examples.where(examples.features == feature), separate)
        assert alone[feature] == whole[feature]
    assert together.texts < separate.texts


def test_another_seed_finds_the_same_planted_n_grams(corpus: Corpus) -> None:
    examples = few(corpus.training, 8)
    found = find_patterns(
        examples,
        corpus.tokens,
        corpus.passage,
        Model(),
        largest=corpus.largest,
        options=PatternOptions(seed=5, draws=8, before=3),
    )
    for feature, patterns in PLANTED.items():
        assert {pattern.tokens for pattern in found[feature].patterns} == patterns


def test_text_cut_off_takes_beginnings_for_tokens(corpus: Corpus) -> None:
    examples = corpus.training
    examples = examples.where(examples.features == FIRST)
    cut_off = PatternOptions(before=0)
    found = find_patterns(
        examples, corpus.tokens, corpus.passage, Model(), largest=corpus.largest, options=cut_off
    )
    assert {pattern.tokens for pattern in found[FIRST].patterns} == {(2,)}
    record = scored(found, corpus, cut_off)[FIRST]
    assert record.counts[0].recall == 1
    assert record.counts[0].precision is not None
    assert record.counts[0].precision < 0.5


def test_scores_of_parts_merged_equal_the_whole(records: list[FeaturePatterns], corpus: Corpus) -> None:
    whole = PatternTally(records, (0.0, 0.5))
    parts = [PatternTally(records, (0.0, 0.5)) for _ in range(2)]
    for number, positions in enumerate(np.array_split(corpus.scored, 5)):
        parts[number % 2].update(corpus.firings, corpus.tokens, corpus.passage, positions)
    whole.update(corpus.firings, corpus.tokens, corpus.passage, corpus.scored)
    parts[0].merge(parts[1])
    for one, other in zip(whole.scored(), parts[0].scored(), strict=True):
        assert one.counts == other.counts
        assert one.share == pytest.approx(other.share)
        assert one.correlation == pytest.approx(other.correlation)
        assert [each.matches for each in one.patterns] == [each.matches for each in other.patterns]


def test_counts_equal_those_of_dense_arrays(records: list[FeaturePatterns], corpus: Corpus) -> None:
    trie = PatternTrie(records)
    codes = planted_codes(corpus.tokens.reshape(-1, LENGTH)).reshape(-1, N_FEATURES)
    for record in records[:DEAD]:
        actual = codes[corpus.scored, record.feature] / record.largest
        predicted = trie.predict(corpus.tokens, corpus.passage, record.feature)[corpus.scored]
        for counts in record.counts:
            p, a = predicted > counts.threshold, actual > counts.threshold
            assert (counts.n_predicted, counts.n_active, counts.n_both) == (p.sum(), a.sum(), (p & a).sum())
        assert record.correlation == pytest.approx(np.corrcoef(predicted, actual)[0, 1])
        assert record.share == pytest.approx(actual[predicted > 0].sum() / actual.sum())


# Matching


def matches_at(pattern: tuple[int, ...], text: list[int], end: int) -> bool:
    """Whether a pattern matches the text up to token ``end``, read off directly."""
    body = pattern[1:] if pattern[0] == START else pattern
    start = end + 1 - len(body)
    if start < 0 or (pattern[0] == START and start > 0):
        return False
    return all(wanted in (WILDCARD, token) for wanted, token in zip(body, text[start:], strict=False))


bodies = st.lists(st.sampled_from([WILDCARD, 0, 1, 2]), min_size=1, max_size=4)
any_patterns = st.tuples(st.sampled_from([(), (START,)]), bodies).map(lambda parts: (*parts[0], *parts[1]))


@settings(max_examples=60)
@given(
    st.lists(st.sets(any_patterns, max_size=5), min_size=1, max_size=3),
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=7), min_size=1, max_size=3),
    st.integers(1, 9),
)
def test_the_trie_matches_what_patterns_match(
    planted: list[set[tuple[int, ...]]], texts: list[list[int]], block: int
) -> None:
    records = [
        FeaturePatterns(i, 1.0, 1, tuple(Pattern(tokens, 0.5, 1) for tokens in sorted(each)))
        for i, each in enumerate(planted)
    ]
    # A token between texts that belongs to none, as a special token does.
    tokens = np.array([token for text in texts for token in (*text, 0)])
    passage = np.concatenate([[*[number] * len(text), -1] for number, text in enumerate(texts)])
    trie = PatternTrie(records)
    found = {
        (feature, position, pattern - int(trie.starts[feature])): decides
        for part in trie.match(tokens, passage, np.arange(len(tokens)), block=block)
        for feature, position, pattern, decides in zip(
            part.features.tolist(),
            part.positions.tolist(),
            part.patterns.tolist(),
            part.decides.tolist(),
            strict=True,
        )
    }
    first = np.cumsum([0, *(len(text) + 1 for text in texts)])
    expected = {
        (record.feature, int(first[number]) + end, i)
        for record in records
        for i, pattern in enumerate(record.patterns)
        for number, text in enumerate(texts)
        for end in range(len(text))
        if matches_at(pattern.tokens, text, end)
    }
    assert set(found) == expected
    for feature, position in {key[:2] for key in expected}:
        ours = [key[2] for key in expected if key[:2] == (feature, position)]
        longest = max(len(records[feature].patterns[i].tokens) for i in ours)
        (deciding,) = [i for i in ours if found[feature, position, i]]
        assert len(records[feature].patterns[deciding].tokens) == longest


def test_a_special_case_before_a_rule() -> None:
    rule, case = Pattern((WILDCARD, 5), 0.3, 1), Pattern((4, 5), 0.9, 1)
    trie = PatternTrie([FeaturePatterns(0, 2.0, 2, (rule, case))])
    tokens = np.array([4, 5, 1, 5, 5])
    assert trie.predict(tokens, np.zeros(5, np.int64), 0).tolist() == [0, 0.9, 0, 0.3, 0.3]
    assert trie.predict(tokens, np.arange(5), 0).tolist() == [0] * 5


# Records

shares = st.floats(0, 1) | st.none()
numbers = st.integers(0, 2**40)
# Plain values: records are made in the test, where their types are checked.
known_patterns = st.tuples(
    st.lists(st.integers(START, 2**31 - 1), min_size=1, max_size=20).map(tuple),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
    numbers | st.none(),
    numbers | st.none(),
    shares,
)
known_counts = st.tuples(st.floats(0, 0.99), numbers, numbers, numbers, numbers)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 1e30), st.integers(0, 2**32 - 1)),
    st.lists(known_patterns, max_size=4),
    st.lists(known_counts, max_size=2),
    shares,
    st.floats(-1, 1) | st.none(),
)
def test_records_come_back_from_json(
    known: tuple, patterns: list[tuple], counts: list[tuple], share: float | None, correlation: float | None
) -> None:
    record = FeaturePatterns(
        *known,
        tuple(Pattern(*each) for each in patterns),
        tuple(Counts(*each) for each in counts),
        share,
        correlation,
    )
    assert FeaturePatterns.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False))) == record


# Bad input


def test_documents_are_kept_apart_whole_and_padding_never() -> None:
    documents = np.repeat(np.arange(-1, 400), 3)
    apart = held_out(documents, 0.25, seed=0)
    assert not apart[:3].any()
    assert (apart.reshape(-1, 3).all(1) == apart.reshape(-1, 3).any(1)).all()
    assert 0.15 < apart.mean() < 0.35
    assert (apart == held_out(documents, 0.25, seed=0)).all()
    assert (apart != held_out(documents, 0.25, seed=1)).any()


def test_examples_are_sorted_and_given_once() -> None:
    examples = Examples.sort(
        np.array([1, 0, 1, 0, 1]), np.array([5, 2, 6, 3, 5]), np.array([1.0, 0.0, 2.0, 1.0, 1.0])
    )
    assert examples.features.tolist() == [0, 1, 1]
    assert examples.positions.tolist() == [3, 6, 5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"longest": 0}, "longest = 0"),
        ({"longest": 256}, "cannot be stored"),
        ({"kept": 0.0}, "kept = 0"),
        ({"draws": 0}, "draws = 0"),
        ({"before": -1}, "before = -1"),
        ({"thresholds": ()}, "thresholds"),
        ({"thresholds": (1.0,)}, "thresholds"),
    ],
)
def test_options_that_make_no_sense(options: dict, said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        PatternOptions(**options)


@pytest.mark.parametrize("longest", [1, 2, 5, 12, 40])
def test_lengths_rise_to_the_longest(longest: int) -> None:
    lengths = PatternOptions(longest=longest).lengths
    assert lengths[0] == 1
    assert lengths[-1] == longest
    assert list(lengths) == sorted(set(lengths))


def test_examples_that_do_not_fit_the_text(corpus: Corpus) -> None:
    one = Examples(np.array([0]), np.array([3]), np.array([1.0]))
    tokens, passage = np.arange(10), np.zeros(10, np.int64)

    def find(examples: Examples, passage: np.ndarray, largest: list[float], **options: int) -> None:
        find_patterns(
            examples,
            tokens,
            passage,
            Model(),
            largest=np.array(largest),
            options=PatternOptions(**options),
        )

    with pytest.raises(BrokenInput, match="outside the text"):
        find(Examples(np.array([0]), np.array([10]), np.array([1.0])), passage, [1.0])
    with pytest.raises(BrokenInput, match="outside the text"):
        find(one, np.full(10, -1), [1.0])
    with pytest.raises(BrokenInput, match="never fires"):
        find(one, passage, [0.0])
    with pytest.raises(BrokenInput, match="never fires"):
        find(one, passage, [])
    with pytest.raises(BrokenInput, match="10 different tokens"):
        find(one, passage, [1.0], draws=10)
    with pytest.raises(BrokenInput, match="20 tokens in a row"):
        find(one, passage, [1.0], before=20)
    with pytest.raises(WrongUse, match="every feature"):
        PatternTally([FeaturePatterns(1, 1.0, 0, ())], (0.0,))
