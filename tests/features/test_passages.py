import numpy as np

from features.planted_world import CONTEXT, VOCABULARY, World
from monoscope.features.passages import corpus_words, coverage, passages, windows, words_of

BEFORE, AFTER = 4, 2


def test_a_passage_is_one_document_in_one_row_without_special_tokens(world: World) -> None:
    passage = passages(world.store.rows)
    assert np.array_equal(passage >= 0, world.usable)
    for number in np.unique(passage[passage >= 0]):
        positions = np.flatnonzero(passage == number)
        assert np.array_equal(positions, np.arange(positions[0], positions[-1] + 1))
        assert len(np.unique(world.documents[positions])) == len(np.unique(positions // CONTEXT)) == 1


def test_windows_end_where_the_passage_ends(world: World) -> None:
    passage = passages(world.store.rows)
    positions = np.flatnonzero(world.usable)[::7]
    where, inside = windows(positions, passage, BEFORE, AFTER)
    assert where.shape == inside.shape == (len(positions), BEFORE + 1 + AFTER)
    assert inside[:, BEFORE].all()
    for position, columns, mask in zip(positions, where, inside, strict=True):
        expected = [q for q in range(position - BEFORE, position + AFTER + 1) if 0 <= q < len(passage)]
        assert columns[mask].tolist() == [q for q in expected if passage[q] == passage[position]]


def test_words_are_put_together_from_pieces(world: World) -> None:
    passage = passages(world.store.rows)
    words = corpus_words(world.tokens, passage, VOCABULARY)
    assert len(words.texts) == len(set(words.texts)) == len(words.spellings)
    for position in np.flatnonzero(world.usable):
        first = last = position
        while (
            world.tokens[first] == 9
            and world.tokens[first - 1] not in (0, 10, 11, 17)
            and passage[first - 1] == passage[first]
        ):
            first -= 1
        while last + 1 < len(passage) and world.tokens[last + 1] == 9 and passage[last + 1] == passage[last]:
            if world.tokens[last] in (10, 11, 17):
                break
            last += 1
        text = "".join(VOCABULARY[token] for token in world.tokens[first : last + 1]).strip().casefold()
        assert (words.texts[words.ids[position]] if words.ids[position] >= 0 else "") == text
    assert (words.ids[~world.usable] == -1).all()
    assert (words.ids[world.tokens == VOCABULARY.index("\n")] == -1).all()
    assert words.spellings[words.texts.index("sausalito")] == (8, 9)
    assert {"bridge", "café", ">>>", "."} <= set(words.texts)
    for number, text in enumerate(words.texts):
        # Each piece of a word has its number: «sausalito» is two.
        assert words.occurrences[number] * len(words.spellings[number]) == np.count_nonzero(
            words.ids == number
        ), text


def test_coverage_counts_the_positions_with_the_word_in_their_window(world: World) -> None:
    passage = passages(world.store.rows)
    words = corpus_words(world.tokens, passage, VOCABULARY)
    found = coverage(words, passage, BEFORE, AFTER)
    where, inside = windows(np.flatnonzero(world.usable), passage, BEFORE, AFTER)
    near = np.where(inside, words.ids[where], -1)
    for number in range(len(words.texts)):
        assert found[number] == np.count_nonzero((near == number).any(1))


def test_words_of_a_query() -> None:
    assert words_of("Golden Gate, >>> Café_1") == ["golden", "gate", ",", ">>>", "café_1"]
