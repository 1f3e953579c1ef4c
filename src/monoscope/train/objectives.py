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
from monoscope.dictionaries.kernels import dot_rows, equal_bags, halves_are_fast, pick_rows, sum_rows, take
from monoscope.dictionaries.selection import largest, largest_of_products
from monoscope.train.coding import ENTRIES, Coding, reconstructions
from monoscope.train.options import Objective
from monoscope.train.penalties import Penalty, Seen
from monoscope.train.workbench import Workbench

MANY = 16
"""So many times the dead features that share a residual are too many for a matrix of their pre-activations."""


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
    n_dead: int | None = None,
) -> Float[Tensor, ""]:
    """``d_out * mean |e - e_hat|^2 / mean |e|^2``: dead features learn what is left, ``e = target - x_hat``.

    ``e_hat`` is decoded from the ``k`` largest of the dead features' positive pre-activations, without a
    bias, which is part of ``x_hat`` already. ``e`` and the input of the encoder are constants here: the
    gradient reaches the encoder, encoder bias and decoder of dead features and nothing else.

    Like the reconstruction term it is ``d_out`` where nothing is explained. The division, which is in the
    authors' code and not in their formula, keeps its pull on dead features as the residual shrinks.

    Reference: Gao et al. 2024 (2406.04093), appendix A.2.

    Args:
        dictionary: the dictionary, or this rank's part of it.
        x: what is read.
        error: what is left.
        dead: the dead features here.
        k: how many of all dead features share the residual of an activation.
        workbench: the ranks that have the other features and activations, and who collects gradients.
        n_dead: dead features on all ranks; None: counted here.
    """
    workbench = workbench or Workbench()
    mesh = workbench.mesh
    n_dead = mesh.features.count(len(dead)) if n_dead is None else n_dead
    error = error.detach()
    encoder = pick_rows(dictionary.encoder.T, dead, into=workbench.encoder)
    decoder = pick_rows(dictionary.decoder, dead, into=workbench.decoder)
    bias, centred = dictionary.encoder_bias[dead], (x - dictionary.bias).detach()
    if len(dead) and n_dead > MANY * k:
        e_hat = sparsely(centred, encoder, bias, decoder, k, workbench)
    else:
        pre = centred @ encoder.T + bias
        if n_dead > k:
            kept = largest(pre.detach(), min(k, len(dead)))
            values = mesh.features.only_largest(pre.gather(-1, kept).to(bias), k)
            pre = torch.zeros_like(pre, dtype=bias.dtype).scatter(-1, kept, values)
        e_hat = pre.relu() @ decoder
    left = reconstruction(error, mesh.features.sum(e_hat))
    whole = mesh.data.mean(error.square().sum(-1).mean())
    return dictionary.d_out * left / whole.clamp(min=1e-12)


def sparsely(
    x: Float[Tensor, "batch d_in"],
    encoder: Float[Tensor, "dead d_in"],
    bias: Float[Tensor, " dead"],
    decoder: Float[Tensor, "dead d_out"],
    k: int,
    workbench: Workbench,
) -> Float[Tensor, "batch d_out"]:
    """What the ``k`` largest of very many dead features write, without a matrix of all their pre-activations."""
    with torch.no_grad():
        dtype = torch.bfloat16 if halves_are_fast(x.device) else x.dtype
        block = workbench.lend("auxiliary", (max(1, ENTRIES // len(bias)), len(bias)), dtype, x.device)
        tensors = x.to(dtype), encoder.detach().to(dtype), bias.detach().to(dtype)
        indices = largest_of_products(*tensors, min(k, len(bias)), block)
    starts = equal_bags(len(x), indices.shape[1], x.device)
    pre = dot_rows(x, encoder, indices.flatten(), starts) + take(bias, indices.flatten())
    kept = workbench.mesh.features.only_largest(pre.reshape(indices.shape), k).flatten()
    return sum_rows(kept.relu(), indices.flatten(), starts, decoder)


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
    n_dead: int | None = None,
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
        workbench: the ranks that have the other features and activations, and who collects gradients; None: one
            process. Terms are sums over all features, and means over the activations here.
        n_dead: dead features on all ranks; None: counted here.

    Returns:
        ``reconstruction`` always; ``penalty``; ``auxiliary`` when some features are dead.
    """
    workbench = workbench or Workbench()
    mesh = workbench.mesh
    before = mesh.features.rank * dictionary.n_features
    widths = tuple(
        min(max(width - before, 0), dictionary.n_features)
        for width in objective.prefixes(mesh.features.size * dictionary.n_features)
    )
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
        seen = Seen(dictionary, target, coding.pre, coding.codes, progress, mesh)
        terms["penalty"] = price * penalty(seen) + penalty.beside(seen)
    n_dead = mesh.features.count(len(dead)) if n_dead is None else n_dead
    if objective.auxiliary_weight and n_dead:
        k = objective.auxiliary_k or max(1, dictionary.d_out // 2)
        left = auxiliary_k(dictionary, x, target - x_hat, dead, k, workbench, n_dead)
        terms["auxiliary"] = objective.auxiliary_weight * left
    return terms, x_hat


def stage_weights(objective: Objective, coding: Coding, stages: int) -> Sequence[float]:
    """What the error of each stage counts: for Matryoshka all the same, adding up to 1."""
    if coding.main is not None:
        return (1.0, objective.also_weight)
    return (1 / stages,) * stages
