"""Texts that a model wrote, as tokens to be read again, with or without the edits they were written under."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.models.hooks import read
from monoscope.models.language_model import LanguageModel
from monoscope.models.reading import Reading, positions
from monoscope.models.sites import Site

BATCH = 16
"""Texts read at a time, at most."""
LOGITS = 1 << 26
"""Logits held at a time, about, unless one text has more."""


@dataclass(frozen=True)
class Written:
    """A prompt and what was written after it."""

    tokens: Sequence[int]
    """Both."""
    start: int
    """Position of the first token that was written, at least 1; the length where nothing was."""


def written(lm: LanguageModel, prompts: Sequence[str], continuations: Sequence[str]) -> list[Written]:
    """The texts, tokenised again; those without a written token are left out.

    A token that straddles the border counts with the continuation, and text beyond the model's context is left out.
    """
    texts = []
    for prompt, continuation in zip(prompts, continuations, strict=True):
        before = lm.tokenize(prompt).tolist()
        tokens = lm.tokenize(prompt + continuation).tolist()[: lm.context]
        same = next(
            (i for i, (a, b) in enumerate(zip(before, tokens, strict=False)) if a != b),
            min(len(before), len(tokens)),
        )
        start = max(same, 1)
        if start < len(tokens):
            texts.append(Written(tokens, start))
    return texts


@dataclass(frozen=True)
class Block:
    """Several texts in one batch, the shorter ones with zeros behind them."""

    texts: Sequence[Written]
    """At least one."""

    @property
    def tokens(self) -> Int[Tensor, "batch token"]:
        """Their tokens."""
        return torch.tensor([[*each.tokens, *[0] * self._lack(each)] for each in self.texts])

    @property
    def mask(self) -> Int[Tensor, "batch token"]:
        """1 for tokens, 0 for what fills a row."""
        return torch.tensor([[1] * len(each.tokens) + [0] * self._lack(each) for each in self.texts])

    def _lack(self, text: Written) -> int:
        return max(len(each.tokens) for each in self.texts) - len(text.tokens)

    @property
    def was_written(self) -> Bool[Tensor, "batch token"]:
        """Which tokens the model wrote."""
        starts = torch.tensor([each.start for each in self.texts])
        mask = self.mask
        return (torch.arange(mask.shape[1]) >= starts[:, None]) & (mask > 0)

    def inputs(self, lm: LanguageModel) -> dict[str, Tensor | bool]:
        """What the Hugging Face model is called with."""
        mask = self.mask.to(lm.device)
        return {
            "input_ids": self.tokens.to(lm.device),
            "attention_mask": mask,
            "position_ids": positions(mask).clamp(min=0),
            "use_cache": False,
        }

    def reading(self, lm: LanguageModel) -> Reading:
        """Tells edits that are for prompts from those for what was written."""
        starts = torch.tensor([each.start for each in self.texts], device=lm.device)
        return Reading(self.tokens.to(lm.device), positions(self.mask.to(lm.device)), starts, lm.special_ids)


def blocks(lm: LanguageModel, texts: Sequence[Written]) -> Iterator[Block]:
    """The texts in batches, in their order, of as many logits as may be held."""
    longest = max((len(each.tokens) for each in texts), default=1)
    size = max(1, min(BATCH, LOGITS // (longest * lm.vocabulary_size)))
    for first in range(0, len(texts), size):
        yield Block(texts[first : first + size])


@torch.no_grad()
def logits(lm: LanguageModel, block: Block) -> Float[Tensor, "batch token vocabulary"]:
    """Logits of the next token at every position, float32, under whatever edits are on."""
    with lm.reads(block.reading(lm)):
        return lm.model(**block.inputs(lm)).logits.float()


@torch.no_grad()
def log_probabilities(lm: LanguageModel, block: Block) -> Float[Tensor, "written vocabulary"]:
    """``log p(token | prompt, tokens before it)`` where each written token stands, under whatever edits are on."""
    before = block.was_written[:, 1:].to(lm.device)
    return logits(lm, block)[:, :-1][before].log_softmax(dim=-1)


@torch.no_grad()
def mean_codes(
    lm: LanguageModel, dictionary: SparseAutoencoder, site: Site, texts: Sequence[Written]
) -> Float[Tensor, " n_features"]:
    """Each feature's code, mean over written tokens, under whatever edits are on; float64.

    Args:
        lm: the model.
        dictionary: what the codes are of; on the model's device.
        site: where it reads; codes are those after the edits there.
        texts: at least one.
    """
    total, count = torch.zeros(dictionary.n_features, dtype=torch.float64), 0
    for block in blocks(lm, texts):
        with lm.reads(block.reading(lm)), read(lm, [site], stop=True) as values:
            lm.model.base_model(**block.inputs(lm))
        codes = dictionary.sparse_encode(values[site][block.was_written.to(lm.device)].float())
        total.index_add_(0, codes.indices.flatten().cpu().long(), codes.values.flatten().cpu().double())
        count += len(codes.values)
    return total / count
