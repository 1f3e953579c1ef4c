"""What features did to the predictions in stretches of text: the text before them is read, and not looked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput
from monoscope.intervene.edits import Ablate, check_edits
from monoscope.intervene.steer import on_device, placed
from monoscope.models import LanguageModel, Site, edit
from monoscope.models.resuming import resumed

Progress = Callable[[int, int], None]
BATCH_TOKENS = 1 << 11
"""Tokens run at a time, about."""
LOGITS = 1 << 25
"""Logits held at a time, about."""


@dataclass(frozen=True)
class Stretches:
    """Stretches of rows of tokens, one feature for each."""

    features: Int[np.ndarray, " stretch"]
    """The feature that the model is run without."""
    rows: Int[np.ndarray, " stretch"]
    """Number of the row; it is run from its beginning on."""
    first: Int[np.ndarray, " stretch"]
    """First token of the stretch in the row."""
    last: Int[np.ndarray, " stretch"]
    """Its last token."""
    at: Int[np.ndarray, " stretch"]
    """Token in the stretch after which votes are counted."""

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, chosen: np.ndarray) -> "Stretches":
        return Stretches(*(getattr(self, name)[chosen] for name in Stretches.__dataclass_fields__))


@dataclass(frozen=True)
class StretchEffects:
    """What the features did; see :class:`monoscope.intervene.ablation.Ablations`."""

    loss: Float[np.ndarray, "stretch token"]
    """Nats by which the loss of each token of the stretch rises without the feature; NaN behind the stretch, and for
    the first token of a row, which nothing predicts."""
    next: Float[np.ndarray, " stretch"]
    """The same for the token after ``at``, whatever it belongs to; NaN at the end of the row."""
    promoted: Int[np.ndarray, "stretch kept"]
    """Tokens whose log-probability after ``at`` the feature raised most, the most first."""
    promoted_by: Float[np.ndarray, "stretch kept"]
    """By how many nats."""
    suppressed: Int[np.ndarray, "stretch kept"]
    """Tokens whose log-probability it lowered most, the most first."""
    suppressed_by: Float[np.ndarray, "stretch kept"]
    """By how many; below 0."""


def stretch_effects(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    tokens: Integer[np.ndarray, "row token"],
    stretches: Stretches,
    *,
    kept: int = 5,
    progress: Progress | None = None,
) -> StretchEffects:
    """Run rows up to the end of a stretch with and without a feature, what the dictionary misses left in place.

    The formulas are those of :func:`monoscope.intervene.ablation.ablations`, and so are the numbers, but for rounding.
    It is faster: the model is run once up to the dictionary's site, and goes on from there with and without the
    feature, with logits for the stretch alone; stretches that end at about the same token are run together.

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        tokens: rows of tokens, as the model reads them.
        stretches: what is looked at.
        kept: tokens of either kind.
        progress: called with (stretches done, stretches in all).

    Raises:
        BrokenInput: a stretch lies outside the rows, or ``at`` outside the stretch.
        UnknownName: the dictionary has no such feature.
        MismatchedArtefact, UnknownSite, WrongUse: as :func:`monoscope.intervene.ablation.ablations`.
    """
    site = placed(lm, dictionary, None)
    check_edits(dictionary, {feature: Ablate() for feature in np.unique(stretches.features).tolist()})
    _check(tokens, stretches)
    n, width = len(stretches), int((stretches.last - stretches.first).max(initial=0)) + 1
    votes = min(kept, lm.vocabulary_size)
    found = StretchEffects(
        np.full((n, width), np.nan, np.float32),
        np.full(n, np.nan, np.float32),
        *(np.zeros((n, votes), kind) for kind in (np.int64, np.float32, np.int64, np.float32)),
    )
    run = _Run(lm, on_device(dictionary, lm.device), site)
    done = 0
    for chosen in _batches(stretches, lm.vocabulary_size):
        run.fill(found, chosen, tokens, stretches[chosen])
        done += len(chosen)
        if progress is not None:
            progress(done, n)
    return found


def _check(tokens: np.ndarray, stretches: Stretches) -> None:
    inside = (stretches.rows < len(tokens)) & (stretches.last < tokens.shape[1]) & (stretches.first >= 0)
    inside &= (stretches.first <= stretches.at) & (stretches.at <= stretches.last) & (stretches.rows >= 0)
    if not inside.all():
        raise BrokenInput(
            f"stretch {int(np.flatnonzero(~inside)[0])} lies outside the text",
            "take examples and tokens from the same index",
        )


def _batches(stretches: Stretches, vocabulary_size: int) -> Iterator[Int[np.ndarray, " chosen"]]:
    """Stretches that end at about the same token, together; the longest first, so that memory is asked for once."""
    order = np.lexsort((stretches.first, -stretches.last))
    start = 0
    while start < len(order):
        length = int(stretches.last[order[start]]) + 2
        size = max(1, BATCH_TOKENS // length)
        # Once with and once without, from the first stretch that begins on.
        while size > 1:
            first = int(stretches.first[order[start : start + size]].min())
            if 2 * size * (length - first) * vocabulary_size <= LOGITS:
                break
            size = (size + 1) // 2
        yield order[start : start + size]
        start += size


@dataclass(frozen=True)
class _Run:
    """The model, cut at the dictionary's site."""

    lm: LanguageModel
    dictionary: SparseAutoencoder
    site: Site

    def fill(
        self,
        found: StretchEffects,
        chosen: Int[np.ndarray, " chosen"],
        tokens: Integer[np.ndarray, "row token"],
        stretches: Stretches,
    ) -> None:
        """Write what some stretches give to their places."""
        length = min(int(stretches.last.max()) + 2, tokens.shape[1])
        rows = torch.from_numpy(tokens[stretches.rows, :length].astype(np.int64))
        first = int(stretches.first.min()) - 1
        clean, without = self.log_probabilities(rows, stretches.features, max(first, 0))
        votes = (clean - without)[torch.arange(len(rows)), torch.from_numpy(stretches.at - max(first, 0))]
        kept = found.promoted.shape[1]
        for name, largest in (("promoted", True), ("suppressed", False)):
            top = votes.topk(kept, largest=largest)
            getattr(found, name)[chosen] = top.indices.cpu().numpy()
            getattr(found, f"{name}_by")[chosen] = top.values.cpu().numpy()
        following = rows[:, max(first, 0) + 1 :, None].to(clean.device)
        rise = (clean[:, :-1].gather(-1, following) - without[:, :-1].gather(-1, following)).squeeze(-1)
        # Place p of ``loss`` is token p of the row; NaN where nothing was asked.
        loss = np.full((len(rows), length + 1), np.nan, np.float32)
        loss[:, max(first, 0) + 1 : length] = rise.cpu().numpy()
        found.next[chosen] = loss[np.arange(len(rows)), stretches.at + 1]
        where = stretches.first[:, None] + np.arange(found.loss.shape[1])
        inside = where <= stretches.last[:, None]
        shown = loss[np.arange(len(rows))[:, None], np.minimum(where, length)]
        found.loss[chosen] = np.where(inside, shown, np.nan)

    @torch.no_grad()
    def log_probabilities(
        self, rows: Int[Tensor, "row token"], features: Int[np.ndarray, " row"], first: int
    ) -> tuple[Float[Tensor, "row kept vocabulary"], Float[Tensor, "row kept vocabulary"]]:
        """Of the next token, from token ``first`` on, with the features and without."""
        block, at_entry = self.site.block, False
        if self.site.kind == "resid_post" and block + 1 < self.lm.n_blocks:
            block, at_entry = block + 1, True
        entry = self.lm.resolve(f"blocks.{block}.resid_pre")
        values = self.lm.activations(rows, [entry, self.site])
        change = self._change(values[self.site], features)
        x = torch.cat([values[entry]] * 2)

        def without(here: Float[Tensor, "both token width"]) -> Float[Tensor, "both token width"]:
            half = here[len(rows) :]
            return torch.cat([here[: len(rows)], (half.float() - change).to(half.dtype)])

        edits = {entry if at_entry else self.site: without}
        with resumed(self.lm, block, x), edit(self.lm, edits):
            both = self.lm.forward(torch.cat([rows] * 2), first=first)
        clean, ablated = both.log_softmax(-1).split(len(rows))
        return clean, ablated

    def _change(
        self, x: Float[Tensor, "row token width"], features: Int[np.ndarray, " row"]
    ) -> Float[Tensor, "row token width"]:
        """What each row's feature adds at each token."""
        codes = self.dictionary.sparse_encode(x.float())
        own = torch.from_numpy(features).to(x.device)
        value = (codes.values.float() * (codes.indices == own[:, None, None])).sum(-1)
        return value[..., None] * self.dictionary.directions[own].float()[:, None]
