"""The report card of a dictionary: every number beside its baselines, with its formula, unit and interval."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.evaluate import faithfulness, reconstruction
from monoscope.evaluate.bench import Bench, EvaluateOptions, neuron_site
from monoscope.evaluate.describe import describe
from monoscope.evaluate.faithfulness import FaithfulnessSums
from monoscope.evaluate.intervals import IntervalOptions, over_rows
from monoscope.evaluate.reconstruction import Reconstruction, dead_share, density_histogram
from monoscope.evaluate.stream import Activations
from monoscope.intervene.steer import placed
from monoscope.models import LanguageModel

DESCRIBED: dict[str, Callable[..., Any]] = {
    **reconstruction.METRICS,
    "dead_share": dead_share,
    **faithfulness.METRICS,
}
"""Every metric of the report."""


def evaluate(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    heldout: Activations,
    calibration: Activations | None,
    *,
    options: EvaluateOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure a dictionary and its baselines.

    Args:
        lm: the model that the activations came from; it is run on held-out text.
        dictionary: what is measured.
        heldout: activations of the dictionary's site on text that it was not trained on; when that text is
            tagged with concepts, also of the ``mlp_hidden`` site of the same block.
        calibration: the same sites on other text, for instance training text: baselines are fitted on it and
            features for concepts are chosen on it. None: baselines are fitted on ``heldout``, and recovery is
            left out.
        options: how much text; the defaults when None.
        progress: told (tokens done, tokens in all).

    Returns:
        A JSON object: ``metrics``; ``intervals`` (metric -> [low, high], over rows of text); ``baselines`` (name
        -> the same metrics, ``intervals`` and ``k``); ``formulas``, ``units`` and ``misleads`` (metric -> one
        line); ``recovery`` (None for text without tags); ``density``; ``tokens``; ``site``; ``hashes``;
        ``seconds``. A metric is None where its formula divides by zero.

    Raises:
        MismatchedArtefact: model, dictionary and activations were not made from each other, or a site is
            missing.
        WrongUse: held-out and calibration text are the same.
        BrokenInput: the held-out text has no usable token.
    """
    options = options or EvaluateOptions()
    site = checked_site(lm, dictionary, heldout, calibration)
    bench = Bench(lm, dictionary, heldout, calibration, site, options)
    meter = Meter(bench.tokens_to_read(), progress)
    seconds: dict[str, float] = {}

    with timed(seconds, "reconstruction"):
        own = bench.reconstruct(dictionary, meter.advance)
        k = max(1, round(float(own.sums.active.sum()) / own.n_tokens))
        compared = bench.baselines(k)
        kept = {"dictionary": own} | {
            name: bench.reconstruct(each, meter.advance) for name, each in compared.items()
        }
    with timed(seconds, "faithfulness"):
        sums = bench.run_model({"dictionary": dictionary, **compared}, meter.advance)
    with timed(seconds, "recovery"):
        recovered = bench.recover(compared, meter.advance)
    records = {name: record(kept[name], sums[name], options.intervals) for name in kept}
    meter.finish()
    return {
        "site": site,
        "hashes": {"model": lm.hash, "dictionary": dictionary.hash, "heldout": heldout.hash}
        | ({} if calibration is None else {"calibration": calibration.hash}),
        **records["dictionary"],
        "baselines": {
            name: {
                **records[name]["metrics"],
                "intervals": records[name]["intervals"],
                "k": k,
                "n_features": each.n_features,
            }
            for name, each in compared.items()
        },
        **described(),
        "recovery": recovered,
        "density": density_histogram(own.fired, own.n_tokens),
        "n_features": dictionary.n_features,
        "dead_tokens": own.n_tokens,
        "dead_share_training": dead_in_training(dictionary),
        "tokens": {
            "reconstruction": own.n_tokens,
            "faithfulness": int(sums["dictionary"].tokens.sum()),
            "rows_reconstruction": len(own.sums.tokens),
            "rows_faithfulness": len(sums["dictionary"].tokens),
        },
        "confidence": options.intervals.confidence,
        "seconds": seconds,
    }


def checked_site(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    heldout: Activations,
    calibration: Activations | None,
) -> str:
    """The dictionary's site, when everything fits together.

    Raises:
        MismatchedArtefact, WrongUse: as :func:`evaluate`.
    """
    site = str(placed(lm, dictionary, None))
    if calibration is not None and calibration.hash == heldout.hash:
        raise WrongUse(
            f"held-out and calibration activations are the same ({heldout.hash})",
            "features must be chosen on other text than they are measured on",
        )
    for name, store in (("held-out", heldout), ("calibration", calibration)):
        if store is None:
            continue
        needed = [site, neuron_site(site)] if calibration is not None and heldout.rows.concepts else [site]
        missing = [each for each in needed if each not in store.site_names]
        if missing:
            raise MismatchedArtefact(
                f"the {name} activations are of {', '.join(store.site_names)} and lack {', '.join(missing)}",
                f"harvest {' and '.join(needed)} together",
            )
        if store.model_hash != lm.hash:
            raise MismatchedArtefact(
                f"the {name} activations are of model {store.model_hash}, and this model is {lm.hash}",
                "harvest them with this model",
            )
    return site


def record(kept: Reconstruction, ran: FaithfulnessSums, options: IntervalOptions) -> dict[str, Any]:
    """``metrics`` and ``intervals`` of one dictionary; rows are resampled alike for every dictionary."""
    values, intervals = over_rows(kept.sums, reconstruction.METRICS, options)
    more_values, more_intervals = over_rows(ran, faithfulness.METRICS, options)
    return {
        "metrics": {**values, "dead_share": dead_share(kept.fired), **more_values},
        "intervals": {**intervals, **more_intervals},
    }


def described() -> dict[str, dict[str, str]]:
    """Every metric in words: its formula, its unit, and how it can mislead."""
    descriptions = {name: describe(metric) for name, metric in DESCRIBED.items()}
    return {
        "formulas": {name: each.formula for name, each in descriptions.items()},
        "units": {name: each.unit for name, each in descriptions.items()},
        "misleads": {name: each.misleads for name, each in descriptions.items()},
    }


def dead_in_training(dictionary: SparseAutoencoder) -> float | None:
    """Share of features that never fired on the training tokens looked at; None: not known."""
    if not bool(dictionary.max_activation.any()):
        return None
    return float((dictionary.density == 0).float().mean())


class Meter:
    """Adds up what is done and tells it; the whole is an estimate, so it is never exceeded."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.total = max(total, 1)
        self.done = 0
        self.progress = progress

    def advance(self, tokens: int) -> None:
        """Some tokens more."""
        self.done = min(self.done + tokens, self.total - 1)
        if self.progress is not None:
            self.progress(self.done, self.total)

    def finish(self) -> None:
        """All is done."""
        if self.progress is not None:
            self.progress(self.total, self.total)


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Note how long the block took."""
    start = time.perf_counter()
    yield
    seconds[part] = round(time.perf_counter() - start, 3)
