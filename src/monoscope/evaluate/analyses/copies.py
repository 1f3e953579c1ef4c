"""Copies of a model: in full precision, and with its weights shuffled."""

import copy
from collections.abc import Callable
from typing import Any

import torch

from monoscope.models import LanguageModel


def in_float32(lm: LanguageModel) -> LanguageModel:
    """The model itself where it is float32, else a float32 copy: the effect of one feature drowns in bfloat16."""
    return lm if lm.dtype == torch.float32 else copied(lm, lambda model: model.float(), lm.name)


def with_shuffled_weights(lm: LanguageModel, seed: int) -> LanguageModel:
    """A copy whose every weight matrix holds its numbers in another order; vectors (gains, biases) stay.

    Embeddings count as matrices, and tied ones stay tied. Its ``hash`` is still that of the files it came from.

    Reference: Bricken et al. 2023 (Towards Monosemanticity), which trains on a transformer of shuffled weights.
    """
    generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def shuffled(model: Any) -> Any:
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
        return model

    return copied(lm, shuffled, f"{lm.name} with shuffled weights")


def copied(lm: LanguageModel, change: Callable[[Any], Any], name: str) -> LanguageModel:
    """A copy of a model, changed."""
    return LanguageModel(change(copy.deepcopy(lm.model)), lm.tokenizer, name=name, folder=lm.folder)
