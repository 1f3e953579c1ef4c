"""Put a reconstruction, or nothing, in the place of an activation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.intervene.edits import Edit, check_edits
from monoscope.intervene.steer import on_device, placed
from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site


@contextmanager
def spliced(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    *,
    edits: Mapping[int, Edit] | None = None,
    keep_error: bool = False,
    where: Bool[Tensor, "batch token"] | None = None,
    site: str | Site | None = None,
) -> Iterator[None]:
    """Inside the block, the activation is replaced by the dictionary's reconstruction of it.

    Formula: ``x' = decode(codes')``, plus ``x − decode(codes)`` with ``keep_error``; ``codes'`` are the
        codes after the
    edits. With ``keep_error`` this is :func:`monoscope.intervene.steer.steer` written out: the same numbers,
    more work.

    Args:
        lm: the model.
        dictionary: a dictionary of this model's activations.
        edits: feature number -> edit of the codes before they are decoded; none by default.
        keep_error: add back what the dictionary does not explain.
        where: the tokens to replace, for forward passes over rows of this very shape; all by default.
            Beginnings of sequence are best left alone: dictionaries are not trained on them and their norm
                is often enormous.
        site: where; the dictionary's own site unless given.

    Raises:
        MismatchedArtefact, UnknownSite, UnknownName, WrongUse, BrokenInput: as
            :func:`monoscope.intervene.steer.steer`.
    """
    place = placed(lm, dictionary, site)
    function = _reconstruction(on_device(dictionary, lm.device), edits or {}, keep_error)
    with edit(lm, {place: _only(where, function)}):
        yield


@contextmanager
def ablated(
    lm: LanguageModel,
    site: str | Site,
    how: Literal["zero", "mean"],
    *,
    mean: Float[Tensor, " d_model"] | None = None,
    where: Bool[Tensor, "batch token"] | None = None,
) -> Iterator[None]:
    """Inside the block, the activation is replaced by zero or by a constant: its mean.

    Args:
        lm: the model.
        site: where.
        how: ``zero`` or ``mean``.
        mean: the mean activation, which ``mean`` needs.
        where: the tokens to replace, for forward passes over rows of this very shape; all by default.

    Raises:
        WrongUse: a mean is missing, or given with ``zero``; ``how`` is something else.
        MismatchedArtefact: the mean has another width than the site.
        UnknownSite: the model has no such site.
    """
    place = lm.resolve(site)
    if how not in ("zero", "mean"):
        raise WrongUse(f"{how!r} is no way to ablate", "use zero or mean")
    if (how == "mean") != (mean is not None):
        raise WrongUse(
            "mean ablation needs the mean activation" if mean is None else "zero ablation takes no mean",
            "pass mean= together with how='mean'",
        )
    value = torch.zeros(lm.width(place)) if mean is None else mean
    if value.shape != (lm.width(place),):
        raise MismatchedArtefact(
            f"the mean activation has width {value.shape[-1]}, and {place} has {lm.width(place)}",
            "measure the mean at this site",
        )
    value = value.to(lm.device)
    with edit(lm, {place: _only(where, lambda x: value.to(x.dtype).expand_as(x))}):
        yield


def _reconstruction(
    dictionary: SparseAutoencoder, edits: Mapping[int, Edit], keep_error: bool
) -> Callable[[Tensor], Tensor]:
    check_edits(dictionary, edits)
    moves = {feature: edit.move(float(dictionary.max_activation[feature])) for feature, edit in edits.items()}

    def reconstructed(x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        wide = x.float()
        sparse = dictionary.sparse_encode(wide)
        x_hat = result = dictionary.decode(sparse)
        if moves:
            codes = sparse.dense(dictionary.n_features)
            for feature, move in moves.items():
                codes[..., feature] = move(codes[..., feature])
            result = dictionary.decode(codes)
        return (result + (wide - x_hat) if keep_error else result).to(x.dtype)

    return reconstructed


def _only(
    where: Bool[Tensor, "batch token"] | None, function: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """``function`` at the chosen tokens, the activation as it was at the others."""
    if where is None:
        return function

    def chosen(x: Float[Tensor, "batch token d_model"]) -> Float[Tensor, "batch token d_model"]:
        if x.shape[:-1] != where.shape:
            raise WrongUse(
                f"tokens were chosen for rows of {tuple(where.shape)}, and these are {tuple(x.shape[:-1])}",
                "open one block for each batch of rows",
            )
        return torch.where(where.to(x.device)[..., None], function(x), x)

    return chosen
