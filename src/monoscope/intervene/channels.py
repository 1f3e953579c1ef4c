"""Every edit at one site as one change of its activations.

Each edited feature, and each edited vector, is a *channel*: a number ``f`` that is read from an activation ``x``, the
value ``v`` that it is given, and a direction ``d``. All channels are read at once and written as one product::

    x' = x + Σ_c w_c (v_c − f_c(x)) d_c

with ``w_c`` the weight of a token: whether it is in the channel's scope, whether the condition holds, how far the ramp
is, and whether it belongs to a text that the channel is for. Texts with different edits are changed in one batch, and a
token whose weights are 0 keeps its bits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.intervene.edits import Move
from monoscope.intervene.few_tokens import ROWS, FewTokens
from monoscope.intervene.scope import Scope, When
from monoscope.models.reading import Reading


@dataclass(frozen=True, kw_only=True, eq=False)
class Channel:
    """One number of an activation, and where it goes."""

    feature: int | None = None
    """The number is this feature's code; None: the projection on the direction."""
    direction: Float[Tensor, " d_model"]
    """What a change of 1 adds to the activation."""
    move: Move
    """The value that the number is given."""
    scope: Scope = field(default_factory=Scope)
    """At which tokens."""
    when: When | None = None
    """On which condition."""
    bound: float = 0.0
    """Of the condition, in the units of the codes."""
    ramp: int = 0
    """Over so many tokens of its scope the change grows to its whole size."""
    keep_norm: bool = False
    """The activation is given back its norm after the change."""


@runtime_checkable
class Reads(Protocol):
    """Whoever knows what a model is reading."""

    reading: Reading | None


@final
class SiteChange:
    """What happens to the activations of one site: all channels together, computed in float32."""

    def __init__(
        self,
        channels: Sequence[Channel],
        dictionary: SparseAutoencoder | None = None,
        reads: Reads | None = None,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Put channels together.

        Args:
            channels: at least one.
            dictionary: what features are of; on the device of the activations.
            reads: says which tokens are read, where channels ask for that.
            rows: the text of the batch that each channel is for; None: each is for all texts.
        """
        self.channels, self.dictionary, self.reads = tuple(channels), dictionary, reads
        self.directions = torch.stack([channel.direction.detach().float() for channel in channels])
        moves = [channel.move for channel in channels]
        shifts = [torch.as_tensor(move.shift, device=self.directions.device).float() for move in moves]
        self.shift = torch.stack(torch.broadcast_tensors(*shifts), dim=-1)
        self.steepness = self._row(move.slope - 1 for move in moves)
        self.ceiling = self._row(move.ceiling for move in moves)
        self.only_active = self._row(move.only_active for move in moves)
        self.plain = not any(move.only_active or move.ceiling < inf for move in moves)
        self.conditions = Conditions(channels, self.directions.device)
        self.weighing = Weighing(channels, rows, self.directions.device)
        self.kept_norm = self._row(channel.keep_norm for channel in channels)
        self.keeps_norms = any(channel.keep_norm for channel in channels)
        self._place_columns()

    def _row(self, numbers: Iterable[float]) -> Float[Tensor, " channel"]:
        return torch.tensor([float(number) for number in numbers], device=self.directions.device)

    def _place_columns(self) -> None:
        """Which numbers are read, each once, and which of them is each channel's and each condition's."""
        reading = [number for number, channel in enumerate(self.channels) if channel.move.reads]
        own = {number: self.channels[number].feature for number in reading}
        asked = {channel.when.feature for channel in self.channels if channel.when}
        features = sorted(asked | {feature for feature in own.values() if feature is not None})
        vectors = [number for number in reading if own[number] is None]
        place = {feature: column for column, feature in enumerate(features)}
        columns = [0] * len(self.channels)
        for number in reading:
            feature = own[number]
            columns[number] = len(features) + vectors.index(number) if feature is None else place[feature]
        device = self.directions.device
        self.features = torch.tensor(features, dtype=torch.int64, device=device)
        self.lines = unit(self.directions[vectors]) if vectors else None
        self.columns = torch.tensor(columns, device=device) if reading else None
        self.conditions.place(place)
        free = self.columns is None and not self.conditions.some and not self.keeps_norms
        self.constant = self.shift @ self.directions if free else None
        self.few = self._for_few_tokens()

    def _for_few_tokens(self) -> FewTokens | None:
        """The same change in one loop, where that knows all that it needs."""
        if self.conditions.some or self.keeps_norms or self.shift.ndim > 1:
            return None
        if not FewTokens.can(self.dictionary, self.features):
            return None
        numbers = self.shift, self.steepness, self.ceiling, self.only_active
        return FewTokens(self.dictionary, self.features, self.lines, numbers, self.columns, self.directions)

    def __call__(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """The activations after it, in their own dtype.

        Raises:
            WrongUse: a channel asks for some tokens, and it is not known which are read.
        """
        weights = self.weighing(None if self.reads is None else self.reads.reading, x)
        if self.constant is not None and weights is None:
            return (x + self.constant).to(x.dtype)
        if self.few is not None and x.numel() <= ROWS * x.shape[-1] and not x.requires_grad:
            wide = x.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
            self.few(wide, None if weights is None else weights.expand(*x.shape[:-1], -1))
            return wide.to(x.dtype)
        wide = x.float()
        change, values = self.shift, self._read(wide)
        if values is not None and self.columns is not None:
            change = self._change(values[..., self.columns])
        if values is not None and self.conditions.some:
            holds = self.conditions(values)
            weights = holds if weights is None else weights * holds
        if weights is not None:
            # What overflows in one text must not reach those that it is not for: 0 times infinity is no number.
            change = torch.where(weights != 0, change * weights, 0)
        after = wide + change @ self.directions
        if self.keeps_norms:
            after = self._with_norms(wide, after, weights)
        return after.to(x.dtype)

    def _change(self, codes: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """``v - f``: what does not depend on ``f`` plus ``slope - 1`` times it, within the ceilings."""
        change = self.shift + self.steepness * codes
        if self.plain:
            return change
        change = torch.minimum(change, self.ceiling - codes)
        return torch.where((self.only_active > 0) & (codes <= 0), 0, change)

    def _read(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch column"] | None:
        parts = []
        if len(self.features):
            assert self.dictionary is not None, "features are of a dictionary"
            parts.append(self.dictionary.codes_of(x, self.features))
        if self.lines is not None:
            parts.append(x @ self.lines.T)
        if len(parts) < 2:
            return parts[0] if parts else None
        return torch.cat(parts, dim=-1)

    def _with_norms(self, before: Tensor, after: Tensor, weights: Tensor | None) -> Tensor:
        """The norms from before where a channel that keeps them did something."""
        scaled = after * (
            before.norm(dim=-1, keepdim=True) / after.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        )
        if weights is None:
            weights = torch.ones_like(self.kept_norm)
        kept = ((weights != 0) & (self.kept_norm > 0)).any(dim=-1, keepdim=True)
        return torch.where(kept, scaled, after)


@final
class Conditions:
    """Which channels act on a condition, and whether it holds."""

    def __init__(self, channels: Sequence[Channel], device: torch.device) -> None:
        self.channels, self.device = channels, device
        self.some = any(channel.when for channel in channels)

    def place(self, columns: Mapping[int, int]) -> None:
        """Told in which column of what is read each feature is."""
        told = [channel.when for channel in self.channels]
        self.columns = torch.tensor(
            [columns[when.feature] if when else 0 for when in told], device=self.device
        )
        self.bounds = torch.tensor([channel.bound for channel in self.channels], device=self.device)
        self.always = torch.tensor([when is None for when in told], device=self.device)
        self.otherwise = torch.tensor([bool(when and when.otherwise) for when in told], device=self.device)

    def __call__(self, values: Float[Tensor, "*batch column"]) -> Float[Tensor, "*batch channel"]:
        """1 where each channel's condition holds, or where it has none."""
        return (((values[..., self.columns] > self.bounds) ^ self.otherwise) | self.always).float()


@final
class Weighing:
    """How much of each channel's change each token gets, by its place."""

    def __init__(self, channels: Sequence[Channel], rows: Sequence[int] | None, device: torch.device) -> None:
        bounds = [channel.scope.bounds for channel in channels]
        self.start, self.stop, self.after, self.before = (
            torch.tensor([each[place] for each in bounds], device=device) for place in range(4)
        )
        self.ramp = torch.tensor([float(max(1, channel.ramp)) for channel in channels], device=device)
        self.textual = torch.tensor([channel.scope.skip_special for channel in channels], device=device)
        self.skips = any(channel.scope.skip_special for channel in channels)
        self.rows = None if rows is None else torch.tensor(list(rows), device=device)
        self.everywhere = all(channel.scope == Scope() and channel.ramp < 2 for channel in channels)

    def __call__(
        self, reading: Reading | None, x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "batch #token channel"] | None:
        """The weights; None where all are 1.

        Raises:
            WrongUse: it is not known which tokens are read.
        """
        if self.everywhere and self.rows is None:
            return None
        weights = None if self.everywhere else self._by_place(reading, x)
        if self.rows is not None:
            numbers = torch.arange(x.shape[0], device=x.device)
            own = (numbers[:, None] == self.rows).float()[:, None]
            weights = own if weights is None else weights * own
        return weights

    def _by_place(
        self, reading: Reading | None, x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "batch token channel"]:
        if reading is None or reading.positions.shape != x.shape[:-1]:
            raise WrongUse(
                "an edit asks for some tokens, and it is not known which tokens are read",
                "run the model by LanguageModel.forward, activations or generate",
            )
        place = reading.positions[..., None].float()
        beyond = place - reading.prompts[:, None, None].float()
        inside = (place >= self.start) & (place < self.stop) & (beyond >= self.after) & (beyond < self.before)
        if self.skips:
            inside &= ~(reading.special[..., None] & self.textual)
        since = torch.minimum(place - self.start, beyond - self.after)
        return inside * ((since + 1) / self.ramp).clamp(max=1)


def unit(rows: Float[Tensor, "row d"]) -> Float[Tensor, "row d"]:
    """The rows at norm 1; rows of zeros stay."""
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
