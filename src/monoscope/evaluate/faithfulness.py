"""What the model still predicts when the reconstruction stands in the place of its own activation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.errors import BrokenInput
from monoscope.evaluate.stream import Advance, unwatched
from monoscope.models import LanguageModel

LOGITS_AT_ONCE = 2**25
"""Logits of one forward pass, at most (128 MiB in float32); rows are batched accordingly."""

Replacement = Callable[[Bool[Tensor, "batch token"]], AbstractContextManager[None]]
"""Given the tokens to replace, a context inside which the model runs with the activation replaced there."""


@dataclass(frozen=True)
class Losses:
    """One condition's losses, summed over the predicted tokens of each row, in nats."""

    cross_entropy: Float[np.ndarray, " row"]
    """``-log p(token)``."""
    divergence: Float[np.ndarray, " row"]
    """``KL(clean || this condition)``."""


@dataclass(frozen=True)
class FaithfulnessSums:
    """What the metrics are made of, summed over the predicted tokens of each row, or over resampled rows."""

    tokens: Float[np.ndarray, " row"]
    """Tokens predicted."""
    clean: Float[np.ndarray, " row"]
    """Cross-entropy of the untouched model."""
    spliced: Float[np.ndarray, " row"]
    """Cross-entropy with the reconstruction in place of the activation."""
    zero: Float[np.ndarray, " row"]
    """Cross-entropy with zero in its place."""
    mean: Float[np.ndarray, " row"]
    """Cross-entropy with the mean activation in its place."""
    divergence: Float[np.ndarray, " row"]
    """``KL(clean || spliced)``."""


def ce_clean(sums: FaithfulnessSums) -> Float[np.ndarray, " row"]:
    """Cross-entropy of the untouched model.

    Measures:
        How well the model predicts this text when nothing is replaced.
    Formula:
        mean over predicted tokens of -log p_clean(token)
    Unit:
        nats per token
    How it can mislead:
        It belongs to the model and the text, not to the dictionary. Special tokens and padding are not
        counted.

    References:
        Bricken et al. 2023.
    """
    return sums.clean / sums.tokens


def ce_spliced(sums: FaithfulnessSums) -> Float[np.ndarray, " row"]:
    """Cross-entropy with the reconstruction in place of the activation.

    Measures:
        How well the model predicts when it must go on with what the dictionary kept.
    Formula:
        mean over predicted tokens of -log p_spliced(token), x replaced by x_hat at every usable token
    Unit:
        nats per token
    How it can mislead:
        Early in a model the following blocks can repair much; the difference to ce_clean is what counts.

    References:
        Bricken et al. 2023.
    """
    return sums.spliced / sums.tokens


def ce_zero(sums: FaithfulnessSums) -> Float[np.ndarray, " row"]:
    """Cross-entropy with zero in place of the activation.

    Measures:
        How much the model needs this site at all.
    Formula:
        mean over predicted tokens of -log p_zero(token), x replaced by 0 at every usable token
    Unit:
        nats per token
    How it can mislead:
        In a residual stream zero is far from any activation and the loss is catastrophic.

    References:
        Bricken et al. 2023.
    """
    return sums.zero / sums.tokens


def ce_mean(sums: FaithfulnessSums) -> Float[np.ndarray, " row"]:
    """Cross-entropy with the mean activation in its place.

    Measures:
        How much the model needs what varies at this site.
    Formula:
        mean over predicted tokens of -log p_mean(token), x replaced by mean(x) at every usable token
    Unit:
        nats per token
    How it can mislead:
        The mean is that of training text; on text of another kind it is no neutral point.

    References:
        Gao et al. 2024 (2406.04093), for the mean as predictor.
    """
    return sums.mean / sums.tokens


def ce_recovered_zero(sums: FaithfulnessSums) -> Float[np.ndarray, " row"]:
    """Share of the loss recovered, against zero ablation.

    Measures:
        How much of what zero ablation destroys the reconstruction keeps: 1 is the untouched model, 0 is zero
        ablation.
    Formula:
        (ce_zero - ce_spliced) / (ce_zero - ce_clean)
    Unit:
        fraction
    How it can mislead:
        In a residual stream zero ablation is so bad that a poor dictionary scores above .9; read
        ce_recovered_mean, the raw cross-entropies and kl beside it.

    References:
        Bricken et al. 2023.
    """
    return (sums.zero - sums.spliced) / (sums.zero - sums.clean)


def ce_recovered_mean(sums: FaithfulnessSums) -> Float[np.ndarray, " row"]:
    """Share of the loss recovered, against mean ablation.

    Measures:
        How much of what mean ablation destroys the reconstruction keeps: 1 is the untouched model, 0 is mean
        ablation.
    Formula:
        (ce_mean - ce_spliced) / (ce_mean - ce_clean)
    Unit:
        fraction
    How it can mislead:
        Where the model hardly uses the site the denominator is near zero and the share means nothing.

    References:
        Bricken et al. 2023, with the mean in place of zero.
    """
    return (sums.mean - sums.spliced) / (sums.mean - sums.clean)


def kl(sums: FaithfulnessSums) -> Float[np.ndarray, " row"]:
    """Divergence from the untouched model's predictions.

    Measures:
        How far the predictions move, whether or not the text happens to agree with the move.
    Formula:
        mean over predicted tokens of sum_v p_clean(v) (log p_clean(v) - log p_spliced(v))
    Unit:
        nats per token
    How it can mislead:
        It is KL(clean || spliced); the other direction is another number. A mean hides rare large damage.

    References:
        Braun et al. 2024 (2405.12241).
    """
    return sums.divergence / sums.tokens


METRICS: dict[str, Callable[[FaithfulnessSums], Float[np.ndarray, " row"]]] = {
    "ce_clean": ce_clean,
    "ce_spliced": ce_spliced,
    "ce_zero": ce_zero,
    "ce_mean": ce_mean,
    "ce_recovered_zero": ce_recovered_zero,
    "ce_recovered_mean": ce_recovered_mean,
    "kl": kl,
}
"""All are functions of the sums, and so have intervals over rows."""


@torch.no_grad()
def measure(
    lm: LanguageModel,
    rows: TokenRows,
    chosen: Int[np.ndarray, " row"],
    replacements: Mapping[str, Replacement],
    *,
    advance: Advance = unwatched,
) -> tuple[Float[np.ndarray, " row"], dict[str, Losses]]:
    """Run the model on rows of text, untouched and under each replacement.

    The activation is replaced at usable tokens (neither padding nor special); the beginning-of-sequence token
    keeps its own in every condition, since dictionaries are not trained on it. Only predictions of usable
    tokens count.

    Args:
        lm: the model.
        rows: held-out text.
        chosen: numbers of the rows to run.
        replacements: condition -> what to run the model inside.
        advance: told the number of tokens after each forward pass.

    Returns:
        Predicted tokens of each row, and the losses of each condition; ``clean`` is the untouched model.
    """
    counts: list[np.ndarray] = []
    sums: dict[str, list[np.ndarray]] = {name: [] for name in ("clean", *replacements)}
    for tokens, usable in row_batches(lm, rows, chosen):
        targets = usable[:, 1:]
        clean = log_probabilities(lm, tokens)
        counts.append(targets.sum(1).double().cpu().numpy())
        for name in sums:
            with replacements[name](usable) if name in replacements else nullcontext():
                predicted = clean if name == "clean" else log_probabilities(lm, tokens)
            sums[name].append(row_losses(clean, predicted, tokens[:, 1:], targets))
            advance(tokens.numel())
    joined = {name: np.concatenate(parts, axis=1) for name, parts in sums.items()}
    return np.concatenate(counts), {name: Losses(*quantities) for name, quantities in joined.items()}


def row_batches(
    lm: LanguageModel, rows: TokenRows, chosen: Int[np.ndarray, " row"]
) -> Iterator[tuple[Int[Tensor, "batch token"], Bool[Tensor, "batch token"]]]:
    """The chosen rows on the model's device, and which of their tokens are usable."""
    at_once = max(1, LOGITS_AT_ONCE // (rows.context * lm.vocabulary_size))
    usable = rows.usable
    for start in range(0, len(chosen), at_once):
        batch = chosen[start : start + at_once]
        tokens = torch.as_tensor(rows.tokens[batch].astype(np.int64), device=lm.device)
        yield tokens, torch.as_tensor(usable[batch], device=lm.device)


def log_probabilities(
    lm: LanguageModel, tokens: Int[Tensor, "batch token"]
) -> Float[Tensor, "batch token-1 vocabulary"]:
    """Log-probabilities of every token but the first, under whatever replacement is on."""
    return lm.forward(tokens)[:, :-1].log_softmax(-1)


def row_losses(
    clean: Float[Tensor, "batch target vocabulary"],
    predicted: Float[Tensor, "batch target vocabulary"],
    tokens: Int[Tensor, "batch target"],
    targets: Bool[Tensor, "batch target"],
) -> Float[np.ndarray, "quantity=2 batch"]:
    """Cross-entropy and ``KL(clean || predicted)``, summed over each row's targets."""
    cross_entropy = -predicted.gather(-1, tokens[..., None])[..., 0]
    divergence = (clean.exp() * (clean - predicted)).sum(-1)
    both = torch.stack([cross_entropy, divergence]).double() * targets
    return both.sum(-1).cpu().numpy()


def spread_rows(rows: TokenRows, n_tokens: int) -> Int[np.ndarray, " row"]:
    """Rows evenly spaced over the text with about ``n_tokens`` usable tokens; all rows when there are fewer.

    Raises:
        BrokenInput: no row predicts a usable token.
    """
    usable = rows.usable
    useful = np.flatnonzero(usable[:, 1:].any(1))
    if not len(useful):
        raise BrokenInput("the text to evaluate on predicts no usable token", "harvest more held-out text")
    each = usable[useful].sum() / len(useful)
    count = min(len(useful), max(1, round(n_tokens / each)))
    return useful[np.linspace(0, len(useful) - 1, count).round().astype(np.int64)]
