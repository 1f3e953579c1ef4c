"""The change of a few activations on a processor, in one compiled loop.

While a model writes, a step has one token of each text, and a dozen operations on tensors of a few numbers take longer
than what they compute. Here all of them are one; :class:`monoscope.intervene.channels.SiteChange` says what it does.

A TopK feature's code is its pre-activation where that is positive and fewer than ``k`` others are above it. As soon as
``k`` are seen that are, the code is 0, and of most tokens the first rows of the encoder tell. For the others all rows
are compared, as bytes: what they leave open is computed in full, so that nothing is decided by rounding to bytes.
"""

from typing import Any, final
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.kernels.compiled import Compiled
from monoscope.dictionaries.kernels.rough import LARGEST, RoughRows
from monoscope.dictionaries.sparsifiers import TopK

ROWS = 64
"""Activations, at most, that are few."""
BLOCK = 64
"""Rows of an encoder that are compared with each activation in turn, while they are in the cache."""
LOOK = 32
"""So large a share of the rows is looked at before the products with all are asked for."""
ROOM = np.float32(1.001)
"""Times a bound that was itself rounded."""
DIGITS = np.float32(2.0**-22)
"""Times a sum that was rounded."""
UNWEIGHTED = np.zeros((0, 0), np.float32)
"""Stands for weights of 1."""
NONE, NO_PRODUCTS = np.zeros(0, np.int64), np.zeros((0, 0), np.int32)
"""Where no products are known."""


@final
class FewTokens:
    """Channels in the form that the loops take."""

    def __init__(
        self,
        dictionary: SparseAutoencoder | None,
        features: Tensor,
        lines: Tensor | None,
        numbers: tuple[Tensor, Tensor, Tensor, Tensor],
        columns: Tensor | None,
        directions: Tensor,
    ) -> None:
        """Everything that is the same in every step, as arrays.

        Args:
            dictionary: one of TopK, where features are read.
            features: that are read.
            lines: unit vectors that are projected on.
            numbers: shift, slope minus 1, ceiling and "only active" of each channel.
            columns: what each channel reads, features first; None: no channel reads.
            directions: of the channels.
        """
        self.d_model = directions.shape[1]
        nothing = torch.zeros(0, self.d_model)
        self.k, rough = 0, RoughRows.of(nothing)
        origin, encoder, bias = torch.zeros(self.d_model), nothing, torch.zeros(0)
        if dictionary is not None and len(features):
            assert isinstance(dictionary.options.sparsifier, TopK)
            self.k, rough = dictionary.options.sparsifier.k, rough_rows(dictionary)
            origin, encoder, bias = dictionary.bias, dictionary.encoder.T, dictionary.encoder_bias
        self.bytes = torch.from_numpy(rough.bytes)
        columns = torch.zeros(0, dtype=torch.int64) if columns is None else columns
        lines = nothing if lines is None else lines
        each = np.stack([bias.detach().numpy(), rough.scale, rough.rest, rough.size])
        told = features, lines, columns, torch.stack(numbers), directions
        self.arrays = (
            *(origin.detach().numpy(), encoder.detach().numpy(), rough.bytes, each),
            *(tensor.detach().numpy() for tensor in told),
        )

    @classmethod
    def can(cls, dictionary: SparseAutoencoder | None, features: Tensor) -> bool:
        """Whether the loops know how these features are read."""
        if features.device.type != "cpu":
            return False
        if dictionary is None or not len(features):
            return True
        return isinstance(dictionary.options.sparsifier, TopK) and dictionary.bias.dtype == torch.float32

    def __call__(
        self, x: Float[Tensor, "*batch d_model"], weights: Float[Tensor, "*batch channel"] | None
    ) -> None:
        """Change the activations in place; they are float32 and lie one after another."""
        rows = x.numpy().reshape(-1, self.d_model)
        each = UNWEIGHTED if weights is None else weights.numpy().reshape(len(rows), -1)
        left, small = _change.machine_code(rows, each, self.k, NONE, NO_PRODUCTS, *self.arrays)
        if len(left):
            every = torch.ops.aten._int_mm(torch.from_numpy(small), self.bytes.T).numpy()
            _change.machine_code(rows, each, self.k, left, every, *self.arrays)


def rough_rows(dictionary: SparseAutoencoder) -> RoughRows:
    """The encoder's columns as bytes, made once for as long as they stay what they are."""
    state = dictionary.encoder._version, dictionary.encoder.data_ptr()
    known = _ROUGH.get(dictionary)
    if known is None or known[0] != state:
        _ROUGH[dictionary] = known = state, RoughRows.of(dictionary.encoder.detach().T)
    return known[1]


_ROUGH: WeakKeyDictionary[SparseAutoencoder, tuple[tuple[int, int], RoughRows]] = WeakKeyDictionary()


def _product(one: Any, other: Any) -> Any:
    total = one.dtype.type(0)
    for j in range(len(one)):
        total += one[j] * other[j]
    return total


def _byte_product(one: Any, other: Any) -> Any:
    total = np.int32(0)
    for j in range(len(one)):
        total = np.int32(total + np.int32(np.int32(one[j]) * np.int32(other[j])))
    return total


def _own(x: Any, weights: Any, k: int, features: Any, columns: Any, rows: Any, numbers: Any) -> Any:
    """Pre-activations of the features that a channel of some weight reads; ``k`` count as above the others."""
    own, above = np.zeros((len(x), len(features)), x.dtype), np.full((len(x), len(features)), k)
    for b in range(len(x)):
        for c in range(len(columns)):
            f = columns[c]
            if f < len(features) and (len(weights) == 0 or weights[b, c] != 0):
                own[b, f] = _product(x[b], rows[features[f]]) + numbers[0, features[f]]
                above[b, f] = 0 if own[b, f] > 0 else k
    return own, above


def _as_bytes(x: Any, found: Any) -> Any:
    """An activation as bytes; their scale, and of it and of what the bytes leave the norms."""
    largest = x.dtype.type(0)
    for j in range(len(x)):
        largest = max(largest, abs(x[j]))
    step = max(largest / x.dtype.type(LARGEST), x.dtype.type(1e-30))
    whole, left = x.dtype.type(0), x.dtype.type(0)
    for j in range(len(x)):
        byte = np.rint(x[j] / step)
        found[j] = np.int8(byte)
        whole += x[j] * x[j]
        left += (x[j] - byte * step) * (x[j] - byte * step)
    return step, ROOM * np.sqrt(whole), ROOM * np.sqrt(left)


def _between(product: Any, sizes: Any, bias: Any, scale: Any, rest: Any, size: Any) -> Any:
    """Where a pre-activation lies, from a product of bytes."""
    rough = scale * sizes[0] * product + bias
    doubt = rest * sizes[1] + size * sizes[2] + DIGITS * (abs(rough) + abs(bias))
    return rough - doubt, rough + doubt


def _above(first: int, products: Any, value: Any, feature: int, sizes: Any, numbers: Any) -> Any:
    """How many of the rows from ``first`` on are surely above a value, and how many may be; but for its own."""
    sure, possible = np.int32(0), np.int32(0)
    for i in range(len(products)):
        j = first + i
        low, high = _between(products[i], sizes, numbers[0, j], numbers[1, j], numbers[2, j], numbers[3, j])
        sure += np.int32(low > value)
        possible += np.int32(high > value)
    if first <= feature < first + len(products):
        own = numbers[:, feature]
        _, high = _between(products[feature - first], sizes, own[0], own[1], own[2], own[3])
        possible -= np.int32(high > value)
    return sure, possible


def _exactly_above(
    x: Any, products: Any, value: Any, feature: int, sizes: Any, rows: Any, numbers: Any
) -> Any:  # fmt: skip
    """How many of all rows are above a value; those are computed of which the bytes do not tell."""
    count = 0
    for j in range(len(rows)):
        low, high = _between(products[j], sizes, numbers[0, j], numbers[1, j], numbers[2, j], numbers[3, j])
        if j != feature and high > value and (low > value or _product(x, rows[j]) + numbers[0, j] > value):
            count += 1
    return count


def _look(x: Any, own: Any, above: Any, k: int, features: Any, bytes_: Any, numbers: Any) -> Any:
    """Count those surely above, as long as they are so many that ``k`` are expected soon.

    Those activations are told for which that does not decide, and all activations as bytes.
    """
    small, sizes = np.empty(x.shape, np.int8), np.empty((len(x), 3), x.dtype)
    looking, undecided = np.zeros(len(x), np.bool_), np.zeros(len(x), np.bool_)
    products = np.empty(BLOCK, np.int32)
    for b in range(len(x)):
        looking[b] = above[b].min() < k
        if looking[b]:
            sizes[b] = _as_bytes(x[b], small[b])
    first = 0
    while looking.any():
        stop = min(first + BLOCK, len(bytes_))
        for b in range(len(x)):
            if looking[b]:
                for j in range(first, stop):
                    products[j - first] = _byte_product(bytes_[j], small[b])
                for f in range(len(features)):
                    if above[b, f] < k:
                        sure, _ = _above(
                            first, products[: stop - first], own[b, f], features[f], sizes[b], numbers
                        )
                        above[b, f] += sure
                fewest = above[b].min()
                seen = stop / len(bytes_)
                undecided[b] = fewest < k and (seen == 1 or (seen * LOOK >= 1 and fewest < 2 * k * seen))
                looking[b] = fewest < k and not undecided[b]
        first = stop
    return np.flatnonzero(undecided), small


def _rank(
    x: Any, own: Any, above: Any, k: int, left: Any, every: Any, features: Any, rows: Any, numbers: Any
) -> None:  # fmt: skip
    """Decide the activations that are left, from their products of bytes; the others' features are inactive."""
    small, place = np.empty(x.shape[1], np.int8), 0
    for b in range(len(x)):
        if place == len(left) or left[place] != b:
            above[b] = k
            continue
        sizes = _as_bytes(x[b], small)
        for f in range(len(features)):
            if above[b, f] < k:
                sure, possible = _above(0, every[place], own[b, f], features[f], sizes, numbers)
                if sure < k <= possible:
                    sure = _exactly_above(x[b], every[place], own[b, f], features[f], sizes, rows, numbers)
                above[b, f] = sure
        place += 1


def _moved(code: Any, shift: Any, steepness: Any, ceiling: Any, only_active: Any) -> Any:
    """What is added to a code."""
    if only_active > 0 and code <= 0:
        return shift * 0
    return min(shift + steepness * code, ceiling - code)


def _apply(
    x: Any, weights: Any, codes: Any, lines: Any, columns: Any, moves: Any, directions: Any
) -> None:  # fmt: skip
    """Read what is projected on lines, and add every channel's change."""
    n_features = codes.shape[1]
    values = np.empty(n_features + len(lines), x.dtype)
    for b in range(len(x)):
        row = x[b]
        values[:n_features] = codes[b]
        for p in range(len(lines)):
            values[n_features + p] = _product(row, lines[p])
        for c in range(len(directions)):
            change = moves[0, c]
            if len(columns):
                change = _moved(values[columns[c]], moves[0, c], moves[1, c], moves[2, c], moves[3, c])
            weight = weights[b, c] if len(weights) else 1
            if weight != 0 and change != 0:
                row += weight * change * directions[c]


@Compiled.using(
    _product, _byte_product, _own, _as_bytes, _between, _above, _exactly_above, _look, _rank, _moved, _apply
)
def _change(
    x: Any, weights: Any, k: int, left: Any, every: Any, origin: Any, rows: Any, bytes_: Any, numbers: Any,
    features: Any, lines: Any, columns: Any, moves: Any, directions: Any,
) -> Any:  # fmt: skip
    """Change all activations; or tell for which of them all products of bytes are needed first, and their bytes."""
    none, small = np.empty(0, np.int64), np.empty((0, 0), np.int8)
    codes = np.empty((len(x), 0), x.dtype)
    if len(features):
        centred = x - origin
        codes, above = _own(centred, weights, k, features, columns, rows, numbers)
        if len(left):
            _rank(centred, codes, above, k, left, every, features, rows, numbers)
        else:
            left, small = _look(centred, codes, above, k, features, bytes_, numbers)
            if len(left):
                return left, small[left]
        for b in range(len(x)):
            for f in range(len(features)):
                if above[b, f] >= k:
                    codes[b, f] *= 0
    _apply(x, weights, codes, lines, columns, moves, directions)
    return none, small
