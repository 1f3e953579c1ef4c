"""The conformance checks pass what conforms and catch what does not."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from monoscope.dictionaries import (
    AutoencoderOptions,
    BatchTopK,
    Gated,
    JumpReLU,
    ReLU,
    SparseAutoencoder,
    SparseCodes,
    TopK,
)
from monoscope.dictionaries.sparsifiers import SPARSIFIERS, Sparsifier
from monoscope.dictionaries.sparsifiers.base import NOTHING, Own
from monoscope.testing import check_dictionary, check_sparsifier


@pytest.mark.parametrize("sparsifier", [TopK(1), TopK(8), TopK(48), ReLU(), Gated()])
def test_our_sparsifiers_conform(sparsifier: Sparsifier) -> None:
    check_sparsifier(sparsifier)


@pytest.mark.parametrize("sparsifier", [TopK(5), BatchTopK(5), ReLU(), JumpReLU(), Gated()])
def test_our_dictionaries_conform(sparsifier: Sparsifier) -> None:
    dictionary = SparseAutoencoder.initialise(
        16, AutoencoderOptions(n_features=64, sparsifier=sparsifier), seed=0
    )
    dictionary.bias.normal_(generator=torch.Generator().manual_seed(0))
    check_dictionary(dictionary)


@dataclass(frozen=True)
class Broken(Sparsifier):
    """A ReLU with one defect."""

    name: ClassVar[str] = "broken"

    defect: str = ""

    def __call__(self, pre: Tensor, own: Own = NOTHING) -> Tensor:
        if self.defect == "negative":
            return pre
        if self.defect == "batch":
            return (pre - pre.flatten(0, -2).amin(0)).relu() if pre.dim() > 1 else pre.relu()
        if self.defect == "threshold":
            return pre * (pre > 0.5)
        if self.defect == "gradient":
            return pre.relu().detach() + 0 * pre
        return pre.relu()

    def sparse(self, pre: Tensor, own: Own = NOTHING) -> SparseCodes:
        codes = self(pre)
        indices = torch.arange(pre.shape[-1]).expand(pre.shape)
        if self.defect == "twice":
            return SparseCodes(torch.cat([codes, codes], -1) / 2, torch.cat([indices, indices], -1))
        return (
            SparseCodes(codes[..., 1:], indices[..., 1:])
            if self.defect == "sparse"
            else SparseCodes(codes, indices)
        )


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        ("negative", "negative"),
        ("batch", "beside it"),
        ("threshold", "homogeneous"),
        ("gradient", "gradient"),
        ("sparse", "sparse codes"),
        ("twice", "two slots"),
    ],
)
def test_each_defect_of_a_sparsifier_is_caught(
    defect: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SPARSIFIERS._classes, "broken", Broken)
    check_sparsifier(Broken())
    with pytest.raises(AssertionError, match=message):
        check_sparsifier(Broken(defect))


def test_directions_of_another_norm_are_caught() -> None:
    dictionary = SparseAutoencoder.initialise(
        16, AutoencoderOptions(n_features=64, sparsifier=TopK(5)), seed=0
    )
    dictionary.decoder *= 1.1
    with pytest.raises(AssertionError, match=r"norm 1\.1"):
        check_dictionary(dictionary)
