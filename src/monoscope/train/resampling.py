"""Dead features made anew where the reconstruction is worst."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.train.coding import Coding, coding_of, reconstructions
from monoscope.train.run import Run
from monoscope.train.sharding import COPIED
from monoscope.train.workbench import Workbench

ROWS = 1024
"""Activations whose loss is measured at a time."""


@torch.no_grad()
def resample(
    run: Run, x: Float[Tensor, "sampled d_in"], target: Float[Tensor, "sampled d_out"] | None = None
) -> Int[Tensor, " dead"]:
    """Point every dead feature at an activation that is reconstructed badly; returns which they were.

    Activations are drawn with probability in proportion to the square of their loss. A feature's direction
    becomes the activation counted from ``bias``, at norm 1; its encoder column the same, at ``encoder_norm``
    times the mean norm of those alive; its bias and its sparsifier's tensors are as before training, and so are
    Adam's moments of all of these.

    Reference: Bricken et al. 2023 (Towards Monosemanticity), appendix "Neuron resampling". A known slip is to
    write through a chained index, into a copy: then nothing changes but Adam's moments.

    Ranks that share the features draw together, and each makes its own dead features anew.

    Args:
        run: the run, between two steps.
        x: unscaled activations to draw from.
        target: what should be written for them; None: themselves.
    """
    settings = run.training.resampling
    assert settings is not None
    dictionary, features = run.dictionary, run.mesh.features
    run.liveness.look(run.training.dead_after(), run.mesh)
    dead = run.liveness.dead
    numbers = features.gather(torch.tensor([len(dead)])).tolist()
    n_dead = sum(numbers)
    if not n_dead:
        return dead
    x = run.reading.apply(x)
    wanted = x if target is None else (run.writing or run.reading).apply(target)
    losses = torch.cat(
        [
            (out - written(run, rows)).square().sum(1)
            for rows, out in zip(x.split(ROWS), wanted.split(ROWS), strict=True)
        ]
    )
    generator = torch.Generator(x.device).manual_seed(run.training.seed * 1_000_003 + run.step)
    drawn = torch.multinomial(losses.square(), n_dead, replacement=n_dead > len(x), generator=generator)
    before = sum(numbers[: features.rank])
    chosen = run.mesh.every.of_first(drawn)[before : before + len(dead)]
    alive = torch.ones(dictionary.n_features, dtype=torch.bool, device=x.device)
    alive[dead] = False
    norms = features.sum(dictionary.encoder[:, alive].norm(dim=0).sum())
    usual = norms / (run.n_features - n_dead) if run.n_features > n_dead else 1.0
    reading = unit(x[chosen] - dictionary.bias)
    dictionary.decoder[dead] = unit(wanted[chosen] - dictionary.target_bias)
    dictionary.encoder[:, dead] = (reading * settings.encoder_norm * usual).T
    dictionary.encoder_bias[dead] = 0
    for name, first in dictionary.options.sparsifier.own(dictionary.n_features).items():
        if first.ndim:
            dictionary.own[name][dead] = first.to(x)[dead]
    forget(run, dead)
    run.liveness.tokens_since[dead] = 0
    run.liveness.look(run.training.dead_after(), run.mesh)
    return dead


def written(run: Run, x: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch d_out"]:
    """What the dictionary writes for scaled activations, from the features of all ranks."""
    dictionary = run.dictionary
    if dictionary.options.sparsifier.elementwise:
        coding = Coding(dictionary.encode(x), None)
    else:
        coding = coding_of(dictionary, x, workbench=Workbench(run.mesh))
    return reconstructions(dictionary, x, coding, workbench=Workbench(run.mesh))[-1]


def forget(run: Run, features: Int[Tensor, " features"]) -> None:
    """Set Adam's moments of these features' parameters to 0."""
    for moments in (run.adam.means, run.adam.squares):
        for name, moment in moments.items():
            if name == "encoder":
                moment[:, features] = 0
            elif moment.ndim and name not in COPIED:
                moment[features] = 0


def unit(rows: Float[Tensor, "row d"]) -> Float[Tensor, "row d"]:
    """The rows at norm 1."""
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
