"""The dictionary itself: linear in, one sparsifier, linear out."""

from dataclasses import dataclass, field
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.kernels import dot_rows, sum_rows, take
from monoscope.dictionaries.scaling import Scaling
from monoscope.dictionaries.sparsifiers import Sparsifier, TopK, from_record, to_record
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.manifest import content_hash

ROWS = 1024
"""Activations that ``sparse_encode`` takes at a time: their pre-activations fit the cache."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderOptions:
    """What a dictionary is, before any training."""

    n_features: int = 8192
    """Directions in the dictionary."""
    sparsifier: Sparsifier = field(default_factory=TopK)
    """What turns pre-activations into codes."""

    def __post_init__(self) -> None:
        if self.n_features < 1:
            raise WrongUse(
                f"a dictionary of {self.n_features} features is none", "give n_features of 1 or more"
            )
        k = getattr(self.sparsifier, "k", 0)
        if k > self.n_features:
            raise WrongUse(
                f"k = {k} is more than n_features = {self.n_features}", "lower k or raise n_features"
            )

    def to_record(self) -> dict[str, Any]:
        """The options as JSON can hold them."""
        return {"n_features": self.n_features, "sparsifier": to_record(self.sparsifier)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "AutoencoderOptions":
        """The options that :meth:`to_record` wrote."""
        return cls(n_features=record["n_features"], sparsifier=from_record(record["sparsifier"]))


@final
class SparseAutoencoder(nn.Module):
    """A dictionary of directions and the encoder that says how much of each an activation holds.

    ``f = sparsify((x - bias) @ encoder + encoder_bias)`` and ``x_hat = f @ decoder + bias``, with decoder
    rows of norm 1, so that ``f_i`` is the length of feature i's contribution in the units of the site.
    ``bias`` is both subtracted before and added after, as in Bricken et al. 2023 and Gao et al. 2024
    (2406.04093).
    """

    encoder: Float[Tensor, "d_model n_features"]
    encoder_bias: Float[Tensor, " n_features"]
    decoder: Float[Tensor, "n_features d_model"]
    bias: Float[Tensor, " d_model"]
    max_activation: Float[Tensor, " n_features"]
    density: Float[Tensor, " n_features"]

    def __init__(
        self,
        options: AutoencoderOptions,
        *,
        encoder: Float[Tensor, "d_model n_features"],
        encoder_bias: Float[Tensor, " n_features"],
        decoder: Float[Tensor, "n_features d_model"],
        bias: Float[Tensor, " d_model"],
        max_activation: Float[Tensor, " n_features"] | None = None,
        density: Float[Tensor, " n_features"] | None = None,
        site: str = "",
        model_hash: str = "",
    ) -> None:
        """Take the tensors as they are; nothing requires a gradient until a trainer asks.

        Args:
            options: the dictionary's options; ``n_features`` must be that of the tensors.
            encoder: columns that read each feature.
            encoder_bias: added to the pre-activations.
            decoder: rows that write each feature, of norm 1.
            bias: the point that features are counted from.
            max_activation: largest activation of each feature on the training data; zeros mean not known.
            density: share of training tokens on which each feature is active; zeros mean not known.
            site: the place in the model that it reads, for instance ``blocks.2.resid_post``.
            model_hash: content hash of that model.

        Raises:
            WrongUse: ``options.n_features`` is not the tensors'.
        """
        super().__init__()
        if encoder.shape[1] != options.n_features:
            raise WrongUse(
                f"options say {options.n_features} features and the tensors hold {encoder.shape[1]}"
            )
        self.options = options
        self.site = site
        self.model_hash = model_hash
        # Stored feature by feature, seen as [d_model, n_features]: the columns of few features are rows.
        self.encoder = nn.Parameter(encoder.T.contiguous().T, requires_grad=False)
        self.encoder_bias = nn.Parameter(encoder_bias, requires_grad=False)
        self.decoder = nn.Parameter(decoder.contiguous(), requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        unknown = torch.zeros_like(encoder_bias)
        self.register_buffer("max_activation", unknown if max_activation is None else max_activation)
        self.register_buffer("density", unknown.clone() if density is None else density)

    @classmethod
    def initialise(
        cls,
        d_model: int,
        options: AutoencoderOptions,
        *,
        seed: int,
        centre: Float[Tensor, " d_model"] | None = None,
        site: str = "",
        model_hash: str = "",
    ) -> "SparseAutoencoder":
        """A dictionary of random unit directions, its encoder equal to the decoder (at the start, not after).

        This is what keeps most features of a TopK dictionary alive (Gao et al. 2024, 2406.04093, section
        2.4).
        """
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(options.n_features, d_model, generator=generator)
        rows /= rows.norm(dim=1, keepdim=True)
        return cls(
            options,
            encoder=rows.T.clone(),
            encoder_bias=torch.zeros(options.n_features),
            decoder=rows,
            bias=torch.zeros(d_model) if centre is None else centre.detach().clone(),
            site=site,
            model_hash=model_hash,
        )

    @property
    def d_model(self) -> int:
        """Width of the activations it reads."""
        return self.decoder.shape[1]

    @property
    def n_features(self) -> int:
        """Directions it holds."""
        return self.decoder.shape[0]

    @property
    def directions(self) -> Float[Tensor, "n_features d_model"]:
        """The decoder's rows: what each feature writes."""
        return self.decoder.detach()

    @property
    def hash(self) -> str:
        """Content hash of the options and every tensor: the dictionary's identity as a parent."""
        tensors = [self.state_dict()[name].detach().cpu().contiguous() for name in sorted(self.state_dict())]
        named = f"{self.options.to_record()}{self.site}{self.model_hash}"
        return content_hash(named, *(tensor.view(torch.uint8).numpy().tobytes() for tensor in tensors))

    def pre_activations(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch n_features"]:
        """``(x - bias) @ encoder + encoder_bias``."""
        return (x.to(self.bias.dtype) - self.bias) @ self.encoder + self.encoder_bias

    def encode(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch n_features"]:
        """Dense codes: how much of every feature each activation holds."""
        return self.options.sparsifier(self.pre_activations(x))

    def sparse_encode(self, x: Float[Tensor, "*batch d_model"]) -> SparseCodes:
        """The same codes as values and indices; pre-activations are made in blocks, never all at once."""
        flat = x.reshape(-1, x.shape[-1])
        parts = [self.options.sparsifier.sparse(self.pre_activations(rows)) for rows in flat.split(ROWS)]
        slots = max(part.values.shape[-1] for part in parts)
        values = torch.cat(
            [nn.functional.pad(part.values, (0, slots - part.values.shape[-1])) for part in parts]
        )
        indices = torch.cat(
            [nn.functional.pad(part.indices, (0, slots - part.indices.shape[-1])) for part in parts]
        )
        shape = (*x.shape[:-1], slots)
        return SparseCodes(values.reshape(shape), indices.reshape(shape))

    def codes_of(self, x: Float[Tensor, "*batch d_model"], indices: Int[Tensor, "*batch k"]) -> SparseCodes:
        """Codes of the features in ``indices`` alone, for a sparsifier that keeps what it selects."""
        pre = dot_rows(x - self.bias, self.encoder.T, indices) + take(self.encoder_bias, indices)
        return SparseCodes(pre.relu(), indices)

    def decode(
        self, codes: Float[Tensor, "*batch n_features"] | SparseCodes
    ) -> Float[Tensor, "*batch d_model"]:
        """The activation that codes stand for."""
        if isinstance(codes, SparseCodes):
            return sum_rows(codes.values, codes.indices, self.decoder) + self.bias
        return codes @ self.decoder + self.bias

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """The reconstruction of ``x``."""
        return self.decode(self.sparse_encode(x))

    def check_width(self, width: int, site: str) -> None:
        """Refuse a site that this dictionary cannot read.

        Raises:
            MismatchedArtefact: the widths differ.
        """
        if width != self.d_model:
            raise MismatchedArtefact(
                f"this dictionary reads activations of width {self.d_model} and {site} has width {width}",
                f"it was trained on {self.site or 'an unnamed site'}: use that site and that model",
            )

    def folded(self, scaling: Scaling) -> "SparseAutoencoder":
        """The same function of unscaled activations: ``folded(x) = scaling.undo(self(scaling.apply(x)))``.

        ``bias = centre + bias' / factor`` and ``encoder_bias = encoder_bias' / factor``; both matrices
        stay, so directions keep norm 1 and codes come out in the units of the unscaled activations. This is
        exact because sparsifiers are positively homogeneous.
        """
        return SparseAutoencoder(
            self.options,
            encoder=self.encoder.detach().clone(),
            encoder_bias=self.encoder_bias.detach() / scaling.factor,
            decoder=self.decoder.detach().clone(),
            bias=scaling.centre + self.bias.detach() / scaling.factor,
            max_activation=self.max_activation / scaling.factor,
            density=self.density.clone(),
            site=self.site,
            model_hash=self.model_hash,
        )
