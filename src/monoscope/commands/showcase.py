"""One feature at work: found by words, chosen by what it does, turned up step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from monoscope.activations.corpus import Corpus
from monoscope.commands.progress import Advance
from monoscope.dictionaries import SparseAutoencoder
from monoscope.features import FeatureIndex, FeatureRecord, SearchResult
from monoscope.intervene import Dose, dose_response, rank_by_effect, recommended, story_beginnings, undosed
from monoscope.intervene.dose import Effect
from monoscope.intervene.topic import text_words
from monoscope.models import LanguageModel
from monoscope.synthetic.world import marking_words

SHOWN_PAIRS = 6
"""Prompts shown side by side: the first ones, whatever they turned out like."""
TRIED = (0.5, 1.0, 2.0, 3.0)
"""Strengths at which candidates are tried out, in multiples of the largest activation. The candidate is taken whose
effect times search score is highest: it must do what its texts promise."""
LOOKED_AT = 400
"""Features looked at when no words were given."""
WORDS_TRIED = 40
"""Words of theirs that are searched for."""


@dataclass(frozen=True, kw_only=True)
class ShowcaseOptions:
    """Which feature is shown at work, and how."""

    query: str = ""
    """Words to search for; empty: the feature whose description tells most."""
    candidates: int = 6
    """First results of the search that are tried out."""
    multiples: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
    """Strengths, in multiples of the largest activation; 0 is the feature off."""
    n_prompts: int = 60
    """Prompts written from at each strength, at most 60."""
    n_tokens: int = 50
    """Length of a sample in tokens."""
    controls: int = 5
    """Random features turned up as far, to see that not every feature does it."""
    seed: int = 0
    """Seed of the samples and of the controls."""


def showcase(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    features: FeatureIndex,
    corpus: Corpus,
    options: ShowcaseOptions,
    advance: Advance,
) -> dict[str, Any]:
    """Find a feature and turn it up.

    Returns:
        The part ``showcase`` of :mod:`monoscope.explore.report`, and ``chosen``: how the feature was found. Without any
        feature to show, ``feature`` is None and ``chosen`` says why.
    """
    found, query, how = find(features, options, lambda feature: float(dictionary.max_activation[feature]) > 0)
    if not found:
        return {"query": query, "feature": None, "chosen": how}
    words = topic_words(query, corpus, features.record(found[0].feature))
    n_tokens = min(options.n_tokens, lm.context // 2)
    prompts = fitting(lm, story_beginnings()[: options.n_prompts], n_tokens)
    if not prompts:
        return {"query": query, "feature": None, "chosen": f"no prompt fits a context of {lm.context} tokens"}
    work = len(found) + len(options.multiples) + options.controls + 1
    done = 0

    def step(*_: int) -> None:
        nonlocal done
        done += 1
        advance(done, work)

    effects = best_first(lm, dictionary, found, words, prompts[:16], options.seed, step)
    feature = effects[0].feature
    drawn: dict[str, Any] = {
        "words": words, "prompts": prompts, "n_tokens": n_tokens, "seed": options.seed
    }  # fmt: skip
    baseline = undosed(lm, **drawn)
    step()
    doses = dose_response(lm, dictionary, feature, multiples=options.multiples, progress=step, **drawn)
    best = recommended(doses) if any(dose.multiple == 0 for dose in doses) else None
    shown = best or max(doses, key=lambda dose: dose.mention_share)
    rates = controls(lm, dictionary, features, feature, shown, options, drawn, step)
    record = features.record(feature)
    return {
        "query": query,
        "chosen": how,
        "feature": feature,
        "address": record.address,
        "description": record.description,
        "words": words,
        "recommended": best.multiple if best else None,
        "shown": shown.multiple,
        "pairs": [
            {"prompt": prompt, "default": default, "steered": steered}
            for prompt, default, steered in zip(prompts, baseline.samples, shown.samples, strict=True)
        ][:SHOWN_PAIRS],
        "candidates": [
            {**each.to_json(), "tried": effect.score}
            for effect in effects
            for each in found
            if each.feature == effect.feature
        ],
        "baseline": _without_samples(baseline),
        "doses": [_without_samples(dose) for dose in doses],
        "controls": {"multiple": shown.multiple, "topic_rates": rates},
        "seed": options.seed,
    }


def best_first(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    found: Sequence[SearchResult],
    words: Sequence[str],
    prompts: Sequence[str],
    seed: int,
    step: Advance,
) -> list[Effect]:
    """Each candidate tried out, by its effect times its search score."""
    effects = rank_by_effect(
        lm,
        dictionary,
        [each.feature for each in found],
        words,
        prompts,
        multiples=TRIED,
        seed=seed,
        progress=step,
    )
    fits = {each.feature: each.score for each in found}
    return sorted(effects, key=lambda effect: -effect.score * fits[effect.feature])


def find(
    features: FeatureIndex, options: ShowcaseOptions, can_be_turned_up: Callable[[int], bool]
) -> tuple[list[SearchResult], str, str]:
    """Candidates, the words they were searched with, and how that came about."""
    query, how = options.query, f"searched for “{options.query}”"
    if not query:
        query = most_telling(features)
        how = f"of the words that the most common features fire on, the one whose search succeeds best: “{query}”"
    if not query:
        return [], query, "no feature fires on words of its own"
    found = [
        each
        for each in features.search(query, limit=50, max_density=densest(features))
        if can_be_turned_up(each.feature)
    ]
    if not found:
        return [], query, f"no feature goes with “{query}”"
    return found[: options.candidates], query, how


def most_telling(features: FeatureIndex) -> str:
    """The word that a search answers best, empty when there is none.

    Words are taken from those common features that fire on words of their own most exclusively: the share of their
    activation on words that they are 10 times likelier on than elsewhere.
    """
    density, limit = features.statistics()["density"], densest(features)
    usual = sorted(
        (int(each) for each in features.alive if density[each] <= limit), key=lambda each: -density[each]
    )
    exclusive: dict[str, float] = {}
    for feature in usual[:LOOKED_AT]:
        own = own_words(features.record(feature))
        if own:
            first = next(iter(own))
            exclusive[first] = max(exclusive.get(first, 0.0), sum(own.values()))
    tried = sorted(exclusive, key=lambda word: -exclusive[word])[:WORDS_TRIED]

    def success(word: str) -> float:
        found = features.search(word, limit=1, max_density=limit)
        return found[0].score if found else 0.0

    return max(tried, key=success, default="")


def densest(features: FeatureIndex) -> float:
    """The largest density of a feature that may be shown: ten times the mean; what fires everywhere means little."""
    return min(0.5, 10 * float(features.statistics()["density"][features.alive].mean()))


def topic_words(query: str, corpus: Corpus, record: FeatureRecord) -> list[str]:
    """The words that speak of what was searched for.

    Those that mark the concept of that name, where the corpus has such a concept; otherwise the query's own and the
    whole words that the first result fires on.
    """
    name = "_".join(text_words(query))
    if name in corpus.concepts() and marking_words().get(name):
        return sorted(marking_words()[name])
    asked = [word for word in text_words(query) if len(word) > 2]
    return list(dict.fromkeys([*asked, *own_words(record)]))


def own_words(record: FeatureRecord) -> dict[str, float]:
    """The words that a feature is 10 times likelier on than elsewhere, and their share of its activation."""
    own: dict[str, float] = {}
    for token in record.tokens:
        if token.lift >= 10 and is_word(token.text):
            word = token.text.strip().casefold()
            own[word] = own.get(word, 0.0) + token.share
    return own


def is_word(token: str) -> bool:
    """True for a token that is a word by itself: a space and at least three letters."""
    return token.startswith(" ") and token.strip().isalpha() and len(token.strip()) > 2


def fitting(lm: LanguageModel, prompts: Sequence[str], n_tokens: int) -> list[str]:
    """The prompts that leave room for ``n_tokens`` in the model's context."""
    return [prompt for prompt in prompts if len(lm.tokenize(prompt)) + n_tokens <= lm.context]


def controls(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    features: FeatureIndex,
    feature: int,
    shown: Dose,
    options: ShowcaseOptions,
    drawn: dict[str, Any],
    step: Advance,
) -> dict[str, float]:
    """Share of words of the topic that other features bring when turned up as far."""
    others = [each for each in features.random_alive(options.controls + 1, options.seed) if each != feature]
    known = [each for each in others if float(dictionary.max_activation[each]) > 0][: options.controls]
    return {
        str(each): dose_response(
            lm, dictionary, each, multiples=[shown.multiple or 0.0], progress=step, **drawn
        )[0].topic_rate
        for each in known
    }


def _without_samples(dose: Dose) -> dict[str, Any]:
    return {name: value for name, value in dose.to_json().items() if name != "samples"}
