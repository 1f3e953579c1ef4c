"""Run a model with features edited."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import MismatchedArtefact, UnknownSite
from monoscope.intervene.edits import Edit, edit_function
from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site


@contextmanager
def steer(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    edits: Mapping[int, Edit],
    *,
    site: str | Site | None = None,
) -> Iterator[None]:
    """Inside the block, the model runs with the edits; after it, the model is what it was, bit for bit.

    Neither the weights nor the prompt change: at every token, of the prompt and of what is generated, the
        activation
    becomes ``x + Σ_i (v_i − f_i(x)) d_i`` (Templeton et al. 2024). Blocks may be nested; the inner one reads
    the activations that the outer one left.

    Args:
        lm: the model.
        dictionary: a dictionary of this model's activations; copied to the model's device when it lies
            elsewhere.
        edits: feature number -> edit, for instance ``{412: Clamp(10)}``; carried out together, as one sum.
        site: where; the dictionary's own site unless given.

    Raises:
        MismatchedArtefact: the dictionary was made from another model, or its width is not the site's.
        UnknownSite: the model has no such site, or neither the dictionary nor the caller names one.
        UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.edit_function`.
    """
    place = placed(lm, dictionary, site)
    with edit(lm, {place: edit_function(on_device(dictionary, lm.device), edits)}):
        yield


def placed(lm: LanguageModel, dictionary: SparseAutoencoder, site: str | Site | None) -> Site:
    """The site where this dictionary acts on this model.

    Raises:
        MismatchedArtefact, UnknownSite: as :func:`steer`.
    """
    if dictionary.model_hash and dictionary.model_hash != lm.hash:
        raise MismatchedArtefact(
            f"the dictionary was made from model {dictionary.model_hash}, and {lm.name} is {lm.hash}",
            "use the model it was made from, or train a dictionary on this one",
        )
    name = site or dictionary.site
    if not name:
        raise UnknownSite(
            "the dictionary does not say at which site it acts", "name it: site='blocks.2.resid_post'"
        )
    place = lm.resolve(name)
    dictionary.check_width(lm.width(place), str(place))
    return place


def on_device(dictionary: SparseAutoencoder, device: torch.device | str) -> SparseAutoencoder:
    """The dictionary itself when it lies on that device, else a copy there; the caller's stays put."""
    if dictionary.max_activation.device == torch.device(device):
        return dictionary
    return copy.deepcopy(dictionary).to(device)
