"""How a run begins: activations measured and scaled, directions chosen."""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.scaling import Moments, Scaling
from monoscope.errors import WrongUse
from monoscope.train.mesh import ALONE, Mesh
from monoscope.train.options import TrainOptions
from monoscope.train.run import Run
from monoscope.train.sharding import part_of
from monoscope.train.stream import JoinedStream, PairStream, Stream

SAMPLE = 32_768
"""Activations the scaling is fitted on."""
SINK = 20.0
"""An activation farther from the centre than so many times the median distance is a sink, and left out."""


@dataclass(frozen=True)
class Origin:
    """Where the activations of a dictionary come from."""

    site: str
    """The site that is read."""
    model_hash: str
    """Content hash of the model."""


def begin(
    stream: Stream | PairStream,
    options: AutoencoderOptions,
    training: TrainOptions,
    statistics: Moments | None,
    origin: Origin,
    mesh: Mesh = ALONE,
) -> Run:
    """A run before its first step; of several ranks each makes the whole dictionary and keeps its part.

    Raises:
        WrongUse: the options' parts are not the stream's.
        BrokenInput: activations that cannot be scaled.
    """
    parts = stream.parts if isinstance(stream, JoinedStream) else ()
    if parts != options.parts:
        raise WrongUse(
            f"the stream joins widths {parts} and the options say {options.parts}",
            "give AutoencoderOptions(parts=stream.parts)",
        )
    sample = stream.sample(SAMPLE, training.seed)
    reading = scaling_of(stream, training, statistics, sample)
    writing = None
    if isinstance(stream, PairStream):
        written = stream.writing.sample(SAMPLE, training.seed)
        writing = Scaling.fit(None, "mean", written)
    d_out = stream.d_out if isinstance(stream, PairStream) else stream.d_model
    dictionary = initial(
        options,
        training,
        stream.d_model,
        d_out,
        reading.apply(sample.float()),
        origin,
        paired=writing is not None,
    )
    part = part_of(dictionary, mesh).to(reading.centre.device)
    run = Run.begun(part, training, reading, writing, mesh)
    run.reach = reach_of(reading.apply(sample.float()))
    return run


def scaling_of(
    stream: Stream | PairStream,
    training: TrainOptions,
    statistics: Moments | None,
    sample: Float[Tensor, "sampled d_model"],
) -> Scaling:
    """The scaling of what is read; joined sites are scaled one by one."""
    if isinstance(stream, JoinedStream):
        parts = sample.split(list(stream.parts), dim=1)
        return Scaling.joined([Scaling.fit(None, training.centring, part) for part in parts])
    return Scaling.fit(statistics, training.centring, sample)


def initial(
    options: AutoencoderOptions,
    training: TrainOptions,
    d_in: int,
    d_out: int,
    sample: Float[Tensor, "sampled d_in"],
    origin: Origin,
    *,
    paired: bool,
) -> SparseAutoencoder:
    """The dictionary before its first step.

    ``tied``: random directions, and an encoder equal to them where widths allow (Gao et al. 2024). ``data``:
    directions are activations of the sample, mixed with random ones in equal parts. ``independent``: an encoder
    of its own, uniform as ``torch.nn.Linear`` has it, which leaves most features of TopK dead. A transcoder
    begins with directions of its own in what it writes, scaled down as features have learnt nothing of it yet.
    """
    generator = torch.Generator().manual_seed(training.seed)
    rows = unit(torch.randn(options.n_features, d_out, generator=generator))
    if training.initial == "data" and not paired:
        chosen = sample[torch.randint(len(sample), (options.n_features,), generator=generator)]
        rows = unit(rows + unit(chosen.to(rows)))
    if paired and d_in != d_out:
        encoder = unit(torch.randn(options.n_features, d_in, generator=generator)).T
    else:
        encoder = rows.T.clone()
    if training.initial == "independent":
        bound = 1 / sqrt(d_in)
        encoder = (2 * torch.rand(d_in, options.n_features, generator=generator) - 1) * bound
    return SparseAutoencoder(
        options,
        encoder=encoder,
        encoder_bias=torch.zeros(options.n_features),
        decoder=rows,
        bias=torch.zeros(d_in),
        output_bias=torch.zeros(d_out) if paired else None,
        skip=torch.zeros(d_in, d_out) if paired and training.skip else None,
        site=origin.site,
        model_hash=origin.model_hash,
    )


def unit(rows: Float[Tensor, "row d"]) -> Float[Tensor, "row d"]:
    """The rows at norm 1."""
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)


def reach_of(sample: Float[Tensor, "sampled d_in"]) -> float | None:
    """The distance beyond which an activation is a sink; None where the sample shows none.

    A few tokens, such as a document's first, can be a hundred times as long as all others: they would be all
    that the squared error sees.
    """
    distances = sample.norm(dim=1)
    limit = SINK * float(distances.median())
    return limit if float(distances.max()) > limit else None
