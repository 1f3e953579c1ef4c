"""What fires on texts that a model reads now."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from jaxtyping import Int
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder, SparseCodes
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.features.lookup import check_text
from monoscope.models import LanguageModel


@dataclass(frozen=True)
class TextCodes:
    """A text's tokens and what fires on each of them."""

    tokens: Int[Tensor, " token"]
    """Token ids; special tokens are left out."""
    codes: SparseCodes
    """``[token, slot]``, on the processor."""


def read_texts(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    texts: Iterable[str],
    *,
    context: int | None = None,
    batch_rows: int = 16,
) -> Iterator[TextCodes]:
    """Run the model on each text by itself and encode what passes at the dictionary's site.

    A text longer than the context is read in windows that follow each other, as a corpus is; every window begins
    with the beginning-of-text token where the tokenizer has one. How texts are batched changes nothing but rounding.

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        texts: any number of them; each must have at least one token that is not special.
        context: tokens in a window, the beginning included; None: the model's context.
        batch_rows: windows run at once.

    Raises:
        WrongUse: a text is empty or has half a character.
        MismatchedArtefact: the dictionary was made from another model, or for another width.
        UnknownSite: the model has no such site.
    """
    site = lm.resolve(dictionary.site)
    dictionary.check_width(lm.width(site), str(site))
    if dictionary.model_hash and dictionary.model_hash != lm.hash:
        raise MismatchedArtefact(
            f"the dictionary was made from model {dictionary.model_hash}, and {lm.name} is {lm.hash}",
            "use the model it was made from, or train a dictionary on this one",
        )
    rows = min(context or lm.context, lm.context) - (lm.bos_id is not None)
    windows = ((number, ids) for number, text in enumerate(texts) for ids in _windows(lm, text, number, rows))
    number, parts = 0, []
    while batch := list(islice(windows, batch_rows)):
        for (owner, _), part in zip(batch, _read(lm, dictionary, [ids for _, ids in batch]), strict=True):
            if owner != number:
                yield _joined(parts)
                number, parts = owner, []
            parts.append(part)
    if parts:
        yield _joined(parts)


def _windows(lm: LanguageModel, text: str, number: int, rows: int) -> tuple[Int[Tensor, " token"], ...]:
    """A text's tokens, in windows."""
    check_text(text)
    ids = lm.tokenize(text, bos=False)
    if not _usable(lm, ids).any():
        raise WrongUse(f"text {number + 1} is empty: there is nothing to look at", "give at least one word")
    return ids.split(rows)


def _usable(lm: LanguageModel, ids: Int[Tensor, " token"]) -> Tensor:
    return ~torch.isin(ids, torch.tensor(sorted(lm.special_ids), dtype=ids.dtype))


def _read(
    lm: LanguageModel, dictionary: SparseAutoencoder, windows: Sequence[Int[Tensor, " _"]]
) -> list[TextCodes]:
    """One run of the model; what stands right of a window does not reach it."""
    first = [] if lm.bos_id is None else [lm.bos_id]
    longest = max(map(len, windows))
    batch = torch.zeros(len(windows), len(first) + longest, dtype=torch.long)
    for row, ids in zip(batch, windows, strict=True):
        row[: len(first) + len(ids)] = torch.cat([torch.tensor(first, dtype=torch.long), ids])
    (x,) = lm.activations(batch, [dictionary.site]).values()
    found = []
    with torch.no_grad():
        for row, ids in zip(x, windows, strict=True):
            usable = _usable(lm, ids)
            here = row[len(first) : len(first) + len(ids)][usable.to(row.device)]
            codes = dictionary.sparse_encode(here.float().to(dictionary.bias.device))
            found.append(TextCodes(ids[usable], SparseCodes(codes.values.float().cpu(), codes.indices.cpu())))
    return found


def _joined(parts: Sequence[TextCodes]) -> TextCodes:
    """The windows of one text, end to end."""
    slots = max(part.codes.values.shape[-1] for part in parts)

    def wide(tensor: Tensor) -> Tensor:
        return torch.nn.functional.pad(tensor, (0, slots - tensor.shape[-1]))

    return TextCodes(
        torch.cat([part.tokens for part in parts]),
        SparseCodes(
            torch.cat([wide(part.codes.values) for part in parts]),
            torch.cat([wide(part.codes.indices) for part in parts]),
        ),
    )
