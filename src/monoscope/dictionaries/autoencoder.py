"""The dictionary itself: linear in, one sparsifier, linear out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.kernels import equal_bags, sum_rows
from monoscope.dictionaries.kernels.cpu import few_codes
from monoscope.dictionaries.sparsifiers import Sparsifier, TopK, from_record, to_record
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.manifest import content_hash

FEW = 32
"""Codes, at most, that are looked for one by one."""
ROWS = 1024
"""Activations that ``sparse_encode`` takes at a time: their pre-activations fit the cache."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderOptions:
    """What a dictionary is, before any training."""

    n_features: int = 8192
    """Directions in the dictionary."""
    sparsifier: Sparsifier = field(default_factory=TopK)
    """What turns pre-activations into codes."""
    parts: tuple[int, ...] = ()
    """Widths of what a crosscoder writes side by side; empty for everything else."""

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
        parts = {"parts": list(self.parts)} if self.parts else {}
        return {"n_features": self.n_features, "sparsifier": to_record(self.sparsifier)} | parts

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "AutoencoderOptions":
        """The options that :meth:`to_record` wrote."""
        return cls(
            n_features=record["n_features"],
            sparsifier=from_record(record["sparsifier"]),
            parts=tuple(record.get("parts", ())),
        )


@final
class SparseAutoencoder(nn.Module):
    """A dictionary of directions and the encoder that says how much of each an activation holds.

    ``f = sparsify((x - bias) @ encoder + encoder_bias)`` and ``x_hat = f @ decoder + output_bias (+ x @ skip)``,
    with decoder rows of norm 1, so that ``f_i`` is the length of feature i's contribution in the units of
    what it writes.

    An *autoencoder* writes what it reads, and its ``output_bias`` is ``bias``: subtracted before and added
    after, as in Bricken et al. 2023 and Gao et al. 2024 (2406.04093). A *transcoder* (2406.11944) writes
    another site than it reads, with or without ``skip`` (2501.18823). A *crosscoder* (Lindsey et al. 2024)
    reads and writes several sites, or models, side by side: its activations are theirs joined, and
    ``options.parts`` says where each begins.
    """

    encoder: Float[Tensor, "d_in n_features"]
    encoder_bias: Float[Tensor, " n_features"]
    decoder: Float[Tensor, "n_features d_out"]
    bias: Float[Tensor, " d_in"]
    max_activation: Float[Tensor, " n_features"]
    density: Float[Tensor, " n_features"]

    def __init__(
        self,
        options: AutoencoderOptions,
        *,
        encoder: Float[Tensor, "d_in n_features"],
        encoder_bias: Float[Tensor, " n_features"],
        decoder: Float[Tensor, "n_features d_out"],
        bias: Float[Tensor, " d_in"],
        output_bias: Float[Tensor, " d_out"] | None = None,
        skip: Float[Tensor, "d_in d_out"] | None = None,
        own: Mapping[str, Tensor] | None = None,
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
            output_bias: the point that they are added to; None: ``bias``.
            skip: a linear map beside the features; None: there is none.
            own: the sparsifier's own tensors; None: as before any training.
            max_activation: largest activation of each feature on the training data; zeros mean not known.
            density: share of training tokens on which each feature is active; zeros mean not known.
            site: the place in the model that it reads, for instance ``blocks.2.resid_post``.
            model_hash: content hash of that model.

        Raises:
            WrongUse: ``options.n_features`` is not the tensors', or the widths read and written differ and
                there is no ``output_bias``.
        """
        super().__init__()
        if encoder.shape[1] != options.n_features:
            raise WrongUse(
                f"options say {options.n_features} features and the tensors hold {encoder.shape[1]}"
            )
        if output_bias is None and encoder.shape[0] != decoder.shape[1]:
            raise WrongUse(
                f"this dictionary reads width {encoder.shape[0]} and writes width {decoder.shape[1]}",
                "a transcoder needs an output_bias",
            )
        self.options = options
        self.site = site
        self.model_hash = model_hash
        # Stored feature by feature, seen as [d_in, n_features]: the columns of few features are rows.
        self.encoder = nn.Parameter(encoder.T.contiguous().T, requires_grad=False)
        self.encoder_bias = nn.Parameter(encoder_bias, requires_grad=False)
        self.decoder = nn.Parameter(decoder.contiguous(), requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.output_bias = None if output_bias is None else nn.Parameter(output_bias, requires_grad=False)
        self.skip = None if skip is None else nn.Parameter(skip, requires_grad=False)
        first = options.sparsifier.own(options.n_features)
        self.learnt = nn.ParameterDict(
            {
                name: nn.Parameter(tensor.to(encoder_bias.device), requires_grad=False)
                for name, tensor in (first | dict(own or {})).items()
            }
        )
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
        2.4). ``monoscope.train.Initial`` has the other ways to begin.
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

    @classmethod
    def from_tensors(
        cls,
        options: AutoencoderOptions,
        tensors: Mapping[str, Tensor],
        *,
        site: str = "",
        model_hash: str = "",
    ) -> "SparseAutoencoder":
        """The dictionary whose ``state_dict`` these tensors are."""
        own = {
            name.removeprefix("learnt."): tensor
            for name, tensor in tensors.items()
            if name.startswith("learnt.")
        }
        plain = {name: tensor for name, tensor in tensors.items() if not name.startswith("learnt.")}
        return cls(options, **plain, own=own, site=site, model_hash=model_hash)

    @property
    def d_model(self) -> int:
        """Width of the activations it reads."""
        return self.encoder.shape[0]

    @property
    def d_out(self) -> int:
        """Width of what it writes: ``d_model`` for an autoencoder."""
        return self.decoder.shape[1]

    @property
    def n_features(self) -> int:
        """Directions it holds."""
        return self.decoder.shape[0]

    @property
    def directions(self) -> Float[Tensor, "n_features d_out"]:
        """The decoder's rows: what each feature writes."""
        return self.decoder.detach()

    @property
    def target_bias(self) -> Float[Tensor, " d_out"]:
        """What features are added to: ``output_bias``, or ``bias`` where there is none."""
        return self.bias if self.output_bias is None else self.output_bias

    @property
    def own(self) -> dict[str, Tensor]:
        """The sparsifier's own tensors, by name."""
        return dict(self.learnt.items())

    @property
    def hash(self) -> str:
        """Content hash of the options and every tensor: the dictionary's identity as a parent."""
        tensors = [self.state_dict()[name].detach().cpu().contiguous() for name in sorted(self.state_dict())]
        named = f"{self.options.to_record()}{self.site}{self.model_hash}"
        return content_hash(
            named, *(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() for tensor in tensors)
        )

    def part_norms(self) -> Float[Tensor, "n_features part"]:
        """Norm of each feature's direction in each part of what it writes; one part unless it is a crosscoder.

        A crosscoder's penalty counts their sum, and a feature's share of one model or layer is theirs.
        """
        widths = self.options.parts or (self.d_out,)
        return torch.stack([part.norm(dim=1) for part in self.decoder.split(list(widths), dim=1)], dim=1)

    def pre_activations(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch n_features"]:
        """``(x - bias) @ encoder + encoder_bias``."""
        return (x.to(self.bias.dtype) - self.bias) @ self.encoder + self.encoder_bias

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch n_features"]:
        """Dense codes: how much of every feature each activation holds."""
        return self.options.sparsifier(self.pre_activations(x), self.own)

    def codes_of(
        self, x: Float[Tensor, "*batch d_in"], features: Int[Tensor, " selected"]
    ) -> Float[Tensor, "*batch selected"]:
        """The codes of some features alone, as ``encode`` gives them; the others are computed where they must be.

        Where a feature depends on its own pre-activation only, that is one small product. For a few activations of
        TopK on a processor, others are looked at until the feature is known to be in or out.
        """
        sparsifier, centred = self.options.sparsifier, x.to(self.bias.dtype) - self.bias
        if sparsifier.elementwise:
            own = {name: tensor[features] if tensor.ndim else tensor for name, tensor in self.own.items()}
            return sparsifier(centred @ self.encoder[:, features] + self.encoder_bias[features], own)
        flat = centred.reshape(-1, x.shape[-1])
        few = len(flat) * len(features) <= FEW and x.device.type == "cpu"
        if few and isinstance(sparsifier, TopK):
            found = few_codes(flat, self.encoder.T, self.encoder_bias, features, sparsifier.k)
            return found.reshape(*x.shape[:-1], len(features))
        return self.sparse_encode(x).select(features)

    def sparse_encode(self, x: Float[Tensor, "*batch d_in"]) -> SparseCodes:
        """The same codes as values and indices; pre-activations are made in blocks, never all at once."""
        flat = x.reshape(-1, x.shape[-1])
        sparsifier = self.options.sparsifier
        parts = [sparsifier.sparse(self.pre_activations(rows), self.own) for rows in flat.split(ROWS)]
        slots = max(part.values.shape[-1] for part in parts)
        values = torch.cat(
            [nn.functional.pad(part.values, (0, slots - part.values.shape[-1])) for part in parts]
        )
        indices = torch.cat(
            [nn.functional.pad(part.indices, (0, slots - part.indices.shape[-1])) for part in parts]
        )
        shape = (*x.shape[:-1], slots)
        return SparseCodes(values.reshape(shape), indices.reshape(shape))

    def decode(
        self, codes: Float[Tensor, "*batch n_features"] | SparseCodes
    ) -> Float[Tensor, "*batch d_out"]:
        """What codes stand for, without what ``skip`` adds."""
        if isinstance(codes, SparseCodes):
            slots = codes.values.shape[-1]
            starts = equal_bags(codes.values[..., 0].numel(), slots, codes.values.device)
            flat = sum_rows(codes.values.flatten(), codes.indices.flatten(), starts, self.decoder)
            return flat.reshape(*codes.values.shape[:-1], self.d_out) + self.target_bias
        return codes @ self.decoder + self.target_bias

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """What is written for ``x``: its reconstruction, for an autoencoder."""
        x_hat = self.decode(self.sparse_encode(x))
        return x_hat if self.skip is None else x_hat + (x.to(self.bias.dtype) - self.bias) @ self.skip

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
