"""What passes behind blocks while a model reads texts: one state a text, and the mean norm there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.errors import BrokenInput, UnknownName, UnknownSite, WrongUse, nearest
from monoscope.models import LanguageModel, Site

Progress = Callable[[int, int], None]
READS: tuple[str, ...] = ("last", "mean")
"""Which state stands for a text: that of its last token, or the mean over its usable tokens."""


@dataclass(frozen=True)
class States:
    """What was read on some texts; float32 on the CPU."""

    of: dict[int, Float[Tensor, "text d_model"]]
    """Block -> the state of each text."""
    norms: dict[int, float]
    """Block -> mean norm of its output over every usable token of every text."""


@torch.no_grad()
def read_states(
    lm: LanguageModel,
    texts: Sequence[str],
    blocks: Sequence[int],
    *,
    batch: int = 16,
    read: str = "last",
    progress: Progress | None = None,
) -> States:
    """Run the model over texts and keep one state of each, at the blocks' own outputs.

    Texts of one batch are padded at the right, where a causal model does not look: a batch reads what its texts read
    alone, but for rounding. Usable tokens are all but the first position and special tokens: the first position's
    norm is often a hundred times the others', whatever stands there.

    Args:
        lm: the model.
        texts: what it reads.
        blocks: blocks whose output is read: what the module gives on, before any final norm.
        batch: texts that are run together.
        read: one of ``READS``.
        progress: called with (texts done, texts in all).

    Raises:
        WrongUse: a text is empty, or longer than the model's context, or no text has a usable token.
        UnknownName: no such ``read``.
        BrokenInput: an activation is not finite.
    """
    if read not in READS:
        raise UnknownName(f"{read!r} is no way to read a text", nearest(read, READS))
    if batch < 1:
        raise WrongUse(f"a batch of {batch} texts is none", "give 1 or more")
    rows = [text_tokens(lm, text, f"text {number}") for number, text in enumerate(texts)]
    sites = {block: Site(block, "resid_post") for block in blocks}
    found = {block: torch.zeros(len(rows), lm.d_model) for block in blocks}
    lengths, n_usable = dict.fromkeys(blocks, 0.0), 0
    # Texts of one length run together, so that little is padded.
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    for start in range(0, len(order), batch):
        numbers = order[start : start + batch]
        padded = torch.nn.utils.rnn.pad_sequence([rows[number] for number in numbers], batch_first=True)
        ends = torch.tensor([len(rows[number]) for number in numbers])
        usable = usable_tokens(lm, padded) & (torch.arange(padded.shape[1]) < ends[:, None])
        n_usable += int(usable.sum())
        values = lm.activations(padded, list(sites.values()))
        for block, site in sites.items():
            x, seen = values[site], usable.to(values[site].device)
            norms = x.float().norm(dim=-1).double()[seen]
            if not bool(norms.isfinite().all()):
                raise BrokenInput(
                    f"activations behind block {block} are not finite",
                    "run the model in float32, or check its weights",
                )
            lengths[block] += float(norms.sum())
            found[block][numbers] = _chosen(x, ends.to(x.device), seen, read).cpu()
        if progress is not None:
            progress(min(start + batch, len(order)), len(order))
    if not n_usable:
        raise WrongUse("no text has a token after its first", "give longer texts")
    return States(found, {block: length / n_usable for block, length in lengths.items()})


def usable_tokens(lm: LanguageModel, tokens: Int[Tensor, "batch token"]) -> Bool[Tensor, "batch token"]:
    """True where a token stands for text and is not the first of its row."""
    special = torch.tensor(sorted(lm.special_ids), dtype=tokens.dtype)
    usable = ~torch.isin(tokens, special)
    usable[:, 0] = False
    return usable


def check_blocks(lm: LanguageModel, blocks: Sequence[int] | None) -> list[int]:
    """The blocks in order, each once; None: all of them.

    Raises:
        UnknownSite: the model has no such block.
        WrongUse: there is none.
    """
    chosen = sorted(set(range(lm.n_blocks) if blocks is None else blocks))
    if not chosen:
        raise WrongUse("there is no block to find a direction at", f"{lm.name} has {lm.n_blocks}, from 0 on")
    for block in chosen:
        if not 0 <= block < lm.n_blocks:
            raise UnknownSite(
                f"{lm.name} has no block {block}", f"its {lm.n_blocks} blocks are 0 to {lm.n_blocks - 1}"
            )
    return chosen


def text_tokens(lm: LanguageModel, text: str, name: str = "the text") -> Int[Tensor, " token"]:
    """The tokens of a text, with the beginning-of-text token.

    Raises:
        WrongUse: it is empty, or longer than the model's context.
    """
    tokens = lm.tokenize(text)
    if len(tokens) <= int(lm.bos_id is not None):
        raise WrongUse(f"{name} is empty", "give at least one word")
    if len(tokens) > lm.context:
        shown = text if len(text) < 50 else f"{text[:40]}..."
        raise WrongUse(
            f"{name}, {shown!r}, has {len(tokens)} tokens and the context of {lm.name} is {lm.context}",
            "shorten it",
        )
    return tokens


def _chosen(
    x: Float[Tensor, "batch token d_model"],
    ends: Int[Tensor, " batch"],
    usable: Bool[Tensor, "batch token"],
    read: str,
) -> Float[Tensor, "batch d_model"]:
    """The state of each row: at its last token, or the mean over usable ones (the last where there is none)."""
    last = x[torch.arange(len(x), device=x.device), ends - 1].float()
    if read == "last":
        return last
    counts = usable.sum(1, keepdim=True)
    total = torch.where(usable[..., None], x.float(), 0.0).sum(1)
    return torch.where(counts > 0, total / counts.clamp(min=1), last)
