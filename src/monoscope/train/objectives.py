"""What training minimises, as pure functions: means over activations of sums over their entries.

Activations are scaled to ``E|x|^2 = d_model`` before training, so a reconstruction term of ``d_model`` is
that of a dictionary that does nothing, and weights of penalties mean the same at every site (the units of
Templeton et al. 2024).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.kernels import pick_rows
from monoscope.dictionaries.selection import largest
from monoscope.train.coding import Coding, reconstructions
from monoscope.train.options import Objective
from monoscope.train.penalties import Penalty, Seen
from monoscope.train.workbench import Workbench


def reconstruction(x: Float[Tensor, "batch d_out"], x_hat: Float[Tensor, "batch d_out"]) -> Float[Tensor, ""]:
    """``mean |x - x_hat|^2``."""
    return (x - x_hat).square().sum(-1).mean()


def auxiliary_k(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    error: Float[Tensor, "batch d_out"],
    dead: Int[Tensor, " dead"],
    k: int,
    workbench: Workbench | None = None,
) -> Float[Tensor, ""]:
    """``d_out * mean |e - e_hat|^2 / mean |e|^2``: dead features learn what is left, ``e = target - x_hat``.

    ``e_hat`` is decoded from the ``k`` largest of the dead features' positive pre-activations, without a
    bias, which is part of ``x_hat`` already. ``e`` and the input of the encoder are constants here: the
    gradient reaches the encoder, encoder bias and decoder of dead features and nothing else.

    Like the reconstruction term it is ``d_out`` where nothing is explained. The division, which is in the
    authors' code and not in their formula, keeps its pull on dead features as the residual shrinks.

    Reference: Gao et al. 2024 (2406.04093), appendix A.2.
    """
    error = error.detach()
    into = (None, None) if workbench is None else (workbench.encoder, workbench.decoder)
    columns = pick_rows(dictionary.encoder.T, dead, into=into[0])
    pre = (x - dictionary.bias).detach() @ columns.T + dictionary.encoder_bias[dead]
    if len(dead) > k:
        kept = largest(pre.detach(), k)
        pre = torch.zeros_like(pre).scatter(-1, kept, pre.gather(-1, kept))
    left = reconstruction(error, pre.relu() @ pick_rows(dictionary.decoder, dead, into=into[1]))
    return dictionary.d_out * left / error.square().sum(-1).mean().clamp(min=1e-12)


def losses(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    target: Float[Tensor, "batch d_out"],
    coding: Coding,
    objective: Objective,
    *,
    dead: Int[Tensor, " dead"],
    penalty: Penalty | None,
    price: float | Float[Tensor, ""],
    progress: float,
    workbench: Workbench | None = None,
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, "batch d_out"]]:
    """The weighted terms of the loss, and what the dictionary writes.

    Args:
        dictionary: the dictionary, in the units of scaled activations.
        x: what is read.
        target: what should be written; ``x`` for an autoencoder.
        coding: the codes of ``x``.
        objective: which terms there are.
        dead: features that have not been active lately.
        penalty: what is charged for activity.
        price: what the penalty is multiplied with.
        progress: share of the run that is done.
        workbench: collects the gradients of encoder and decoder; None: autograd gives them.

    Returns:
        ``reconstruction`` always; ``penalty``; ``auxiliary`` when some features are dead.
    """
    widths = objective.prefixes(dictionary.n_features)
    stages = reconstructions(dictionary, x, coding, widths, workbench)
    x_hat = stages[0 if coding.main is not None else -1]
    weights = stage_weights(objective, coding, len(stages))
    terms = {
        "reconstruction": torch.stack(
            [weight * reconstruction(target, stage) for weight, stage in zip(weights, stages, strict=True)]
        ).sum()
    }
    if penalty is not None:
        assert coding.pre is not None
        assert isinstance(coding.codes, Tensor)
        terms["penalty"] = price * penalty(Seen(dictionary, target, coding.pre, coding.codes, progress))
    if objective.auxiliary_weight and len(dead):
        k = objective.auxiliary_k or max(1, dictionary.d_out // 2)
        terms["auxiliary"] = objective.auxiliary_weight * auxiliary_k(
            dictionary, x, target - x_hat, dead, k, workbench
        )
    return terms, x_hat


def stage_weights(objective: Objective, coding: Coding, stages: int) -> Sequence[float]:
    """What the error of each stage counts: for Matryoshka all the same, adding up to 1."""
    if coding.main is not None:
        return (1.0, objective.also_weight)
    return (1 / stages,) * stages
