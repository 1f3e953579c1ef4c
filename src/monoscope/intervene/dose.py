"""How much of a feature does what: the topic taking over, and the text falling apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.intervals import wilson
from monoscope.intervene.edits import Clamp, Edit
from monoscope.intervene.likelihood import continuation_perplexity
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.readability import mean_distinct_bigrams, readability
from monoscope.intervene.steer import steer
from monoscope.intervene.topic import Topic, text_words
from monoscope.models.language_model import LanguageModel

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Dose:
    """What a model wrote at one strength, counted."""

    multiple: float | None
    """The clamp in multiples of the largest activation; 0 is the feature off, None no clamp at all."""
    topic_rate: float
    """Share of the written words that are words of the topic; 0 when no word was written."""
    mention_share: float
    """Share of the samples that hold at least one of the words."""
    mention_low: float
    """Lower end of that share's 95 % Wilson interval."""
    mention_high: float
    """Upper end of that share's 95 % Wilson interval."""
    distinct_2: float
    """Unique pairs of neighbouring words / pairs, mean over samples; a sample of one word counts 0."""
    perplexity: float | None
    """Of what was written, under the unsteered model given the prompt; None when nothing was written."""
    n_words: int
    """Words written, over all samples."""
    topic_words: int
    """Of those, words of the topic."""
    samples: tuple[str, ...]
    """What was written after each prompt."""

    def to_json(self) -> dict[str, Any]:
        """The dose as JSON can hold it."""
        return asdict(self) | {"samples": list(self.samples)}


def dose_response(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    features: Mapping[int, float | int] | int,
    *,
    words: Sequence[str],
    multiples: Sequence[float | int] = (0, 1, 2, 5, 10),
    prompts: Sequence[str] | None = None,
    n_tokens: int = 60,
    temperature: float | int = 0.8,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Dose]:
    """Write from the prompts with the features clamped at each multiple, and count.

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        features: a feature, or several with weights: each is clamped to ``multiple × weight × its largest
            activation``.
        words: words of the topic; case does not matter, whole words count.
        multiples: the strengths; 0 switches the features off, negative ones push the other way.
        prompts: one sample is written from each; sixty ordinary story beginnings unless given.
        n_tokens: length of a sample in tokens.
        temperature: of the sampling; 0 takes the likeliest token.
        seed: of the sampling; the same at every multiple, so that samples can be compared pair by pair.
        progress: called with (doses done, doses to do).

    Raises:
        WrongUse: no words, no features, no prompts or no multiples.
        MismatchedArtefact, UnknownSite, UnknownName, BrokenInput: as :func:`monoscope.intervene.steer.steer`.
    """
    topic = Topic(words)
    prompts = _given_or_ordinary(prompts)
    if not len(multiples):
        raise WrongUse("a dose response of no multiples is none", "give some, for instance 0, 1, 2, 5 and 10")
    doses = []
    for done, multiple in enumerate(multiples, start=1):
        with steer(lm, dictionary, clamps(features, multiple)):
            samples = lm.generate(prompts, n_tokens=n_tokens, temperature=float(temperature), seed=seed)
        doses.append(count(lm, prompts, samples, topic, multiple=multiple))
        if progress is not None:
            progress(done, len(multiples))
    return doses


def clamps(features: Mapping[int, float | int] | int, multiple: float | int) -> dict[int, Edit]:
    """The clamps that put every feature at ``multiple × its weight``.

    Raises:
        WrongUse: there is no feature.
    """
    weights = features if isinstance(features, Mapping) else {features: 1.0}
    if not weights:
        raise WrongUse("no feature was named to clamp", "name at least one")
    return {feature: Clamp(multiple * weight) for feature, weight in weights.items()}


def undosed(
    lm: LanguageModel,
    *,
    words: Sequence[str],
    prompts: Sequence[str] | None = None,
    n_tokens: int = 60,
    temperature: float | int = 0.8,
    seed: int = 0,
) -> Dose:
    """The measurement of :func:`dose_response` on the model as it is: what every dose is compared with."""
    prompts = _given_or_ordinary(prompts)
    samples = lm.generate(prompts, n_tokens=n_tokens, temperature=float(temperature), seed=seed)
    return count(lm, prompts, samples, Topic(words), multiple=None)


def count(
    lm: LanguageModel,
    prompts: Sequence[str],
    samples: Sequence[str],
    topic: Topic,
    *,
    multiple: float | int | None,
) -> Dose:
    """Count what was written after the prompts; no edit may be on: perplexity is the unsteered model's."""
    n_words = sum(len(text_words(sample)) for sample in samples)
    topic_words = sum(topic.count(sample) for sample in samples)
    mentions = sum(topic.mentioned(sample) for sample in samples)
    low, high = wilson(mentions, len(samples))
    return Dose(
        multiple=None if multiple is None else float(multiple),
        topic_rate=topic_words / n_words if n_words else 0.0,
        mention_share=mentions / len(samples),
        mention_low=low,
        mention_high=high,
        distinct_2=mean_distinct_bigrams(samples),
        perplexity=continuation_perplexity(lm, prompts, samples),
        n_words=n_words,
        topic_words=topic_words,
        samples=tuple(samples),
    )


def recommended(doses: Sequence[Dose]) -> Dose | None:
    """The strength to use: of the readable doses above multiple 0, the one with the largest mention share.

    Readable means a :func:`readability` of 1 against the dose at multiple 0. The smaller multiple wins a tie.

    Returns:
        The dose, or None when no readable dose makes the topic more frequent than multiple 0 does.

    Raises:
        WrongUse: there is no dose at multiple 0 to compare with.
    """
    reference = next((dose for dose in doses if dose.multiple == 0), None)
    if reference is None:
        raise WrongUse("these doses have none at multiple 0 to compare with", "measure multiple 0 as well")
    good = [
        dose
        for dose in doses
        if dose.multiple is not None
        and dose.multiple > 0
        and dose.mention_share > reference.mention_share
        and readability(dose, reference) == 1
    ]
    return max(good, key=lambda dose: (dose.mention_share, -(dose.multiple or 0.0)), default=None)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What clamping one feature did, at the multiple where it did most."""

    feature: int
    """Its number."""
    score: float
    """Mention share × readability, in [0, 1]."""
    readability: float
    """How whole the text stayed, in [0, 1], see :func:`readability`."""
    best: Dose
    """The dose of that score."""
    doses: tuple[Dose, ...]
    """All that were tried."""


def rank_by_effect(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    candidates: Sequence[int],
    words: Sequence[str],
    prompts: Sequence[str] | None = None,
    *,
    multiples: Sequence[float | int] = (2, 5, 10),
    n_tokens: int = 30,
    temperature: float | int = 0.8,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Effect]:
    """Clamp each candidate briefly at a few multiples; best first.

    Labels and examples say what a feature fires on, which is not always what it makes a model say (AxBench,
    2501.17148); this looks. A candidate's score is its best multiple's ``mention share × readability``;
    equal scores keep the order of the candidates.

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        candidates: live features, for instance the first results of a search.
        words: words of the topic.
        prompts: one sample is written from each; 16 ordinary story beginnings unless given.
        multiples: strengths to try.
        n_tokens: length of a sample in tokens.
        temperature: of the sampling; 0 takes the likeliest token.
        seed: of the sampling, the same for every candidate and multiple.
        progress: called with (candidates done, candidates to do).

    Raises:
        WrongUse, MismatchedArtefact, UnknownSite, UnknownName, BrokenInput: as :func:`dose_response`.
    """
    drawn: dict[str, Any] = {"words": words, "n_tokens": n_tokens, "temperature": temperature, "seed": seed}
    drawn["prompts"] = story_beginnings()[:16] if prompts is None else prompts
    reference = undosed(lm, **drawn)
    effects = []
    for done, feature in enumerate(candidates, start=1):
        doses = dose_response(lm, dictionary, feature, multiples=multiples, **drawn)
        best = max(doses, key=lambda dose: dose.mention_share * readability(dose, reference))
        whole = readability(best, reference)
        effects.append(
            Effect(
                feature=feature,
                score=best.mention_share * whole,
                readability=whole,
                best=best,
                doses=tuple(doses),
            )
        )
        if progress is not None:
            progress(done, len(candidates))
    return sorted(effects, key=lambda effect: -effect.score)


def _given_or_ordinary(prompts: Sequence[str] | None) -> list[str]:
    chosen = list(story_beginnings() if prompts is None else prompts)
    if not chosen:
        raise WrongUse("there is no prompt to write from", "give at least one")
    return chosen
