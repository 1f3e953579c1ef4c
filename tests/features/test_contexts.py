import numpy as np
import pytest

from features.planted_world import TOPIC, VOCABULARY, World
from monoscope.features.contexts import LEAST_OVERLAP, count_contexts
from monoscope.features.passages import corpus_words, coverage, passages, windows
from monoscope.features.search import overlap

BEFORE, AFTER = 4, 2


@pytest.mark.parametrize("block", [10, 1 << 16])
def test_words_near_samples_are_counted(world: World, block: int) -> None:
    passage = passages(world.store.rows)
    words = corpus_words(world.tokens, passage, VOCABULARY)
    base = coverage(words, passage, BEFORE, AFTER) / world.store.n_tokens
    density = (world.codes[world.usable] > 0).mean(0)
    features, positions = np.nonzero(world.codes.T)
    found = count_contexts(
        features,
        positions,
        words,
        passage,
        base=base,
        density=density,
        before=BEFORE,
        after=AFTER,
        kept=1000,
        block=block,
    )
    counts = {
        (feature, word): count
        for feature, word, count in zip(found.features, found.words, found.counts, strict=True)
    }
    assert np.array_equal(found.samples, (world.codes > 0).sum(0))
    for feature in np.unique(features):
        where, inside = windows(positions[features == feature], passage, BEFORE, AFTER)
        near = np.where(inside, words.ids[where], -1)
        for word in range(len(words.texts)):
            count = np.count_nonzero((near == word).any(1))
            score = overlap(
                np.array([count]),
                found.samples[[feature]],
                density[[feature]],
                float(base[word]),
                int(words.occurrences[word]),
            )[0]
            assert counts.get((feature, word), 0) == (count if score >= LEAST_OVERLAP else 0)


def test_the_most_telling_words_come_first_and_are_kept(world: World) -> None:
    passage = passages(world.store.rows)
    words = corpus_words(world.tokens, passage, VOCABULARY)
    features, positions = np.nonzero(world.codes.T)
    found = count_contexts(
        features,
        positions,
        words,
        passage,
        base=coverage(words, passage, BEFORE, AFTER) / world.store.n_tokens,
        density=(world.codes[world.usable] > 0).mean(0),
        before=BEFORE,
        after=AFTER,
        kept=3,
    )
    assert np.bincount(found.features).max() <= 3
    assert (np.diff(found.features) >= 0).all()
    same = found.features[1:] == found.features[:-1]
    assert (np.diff(found.overlaps)[same] <= 0).all()
    near_topic = {words.texts[word] for word in found.words[found.features == TOPIC]}
    assert near_topic <= {"bridge", "bridges", "towers", "fog"}
    assert len(near_topic) == 3
