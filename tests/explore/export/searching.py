"""The search in Python, twice: over all cards, and in the written index as the page does it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monoscope.explore.export.postings import scored_words, words_of

from .fake_index import FakeIndex, read_records


def best_first(scores: list[Mapping[int, float]]) -> list[int]:
    """Features that every word has a score for, by their sum."""
    if not scores:
        return []
    common = set(scores[0]).intersection(*scores[1:])
    return sorted(common, key=lambda feature: (-sum(each[feature] for each in scores), feature))


def numbered(word: str, scores: dict[int, float], n_features: int) -> dict[int, float]:
    """With the feature that the word is the number of."""
    return scores | ({int(word): 100} if word.isdecimal() and int(word) < n_features else {})


def brute_force(index: FakeIndex, query: str) -> list[int]:
    """What a look at every card finds."""
    told = [scored_words(card) for card in index.cards]
    scores = []
    for asked in dict.fromkeys(words_of(query.replace("#", " "))):
        found = {}
        for feature, words in enumerate(told):
            halves = [score / 2 for word, score in words.items() if len(asked) > 1 and word.startswith(asked)]
            if score := max([words.get(asked, 0), *halves]):
                found[feature] = score
        scores.append(numbered(asked, found, index.n_features))
    return best_first(scores)


def in_index(site: Path, content: dict[str, Any], query: str) -> list[int]:
    """What the written index finds."""
    *chunks, directory = read_records(site / "words", content["words"])
    assert directory == [chunk[0][0] for chunk in chunks]
    scores = []
    for asked in dict.fromkeys(words_of(query.replace("#", " "))):
        found: dict[int, float] = {}
        for word, steps, digits in (entry for chunk in chunks for entry in chunk):
            if word != asked and not (len(asked) > 1 and word.startswith(asked)):
                continue
            feature = 0
            for step, digit in zip(steps, digits, strict=True):
                feature += step
                score = int(digit, 16) / (1 if word == asked else 2)
                found[feature] = max(found.get(feature, 0), score)
        scores.append(numbered(asked, found, content["n_features"]))
    return best_first(scores)
