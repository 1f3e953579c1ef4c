"""Refuse parts that were not made for each other, before any work."""

from collections.abc import Sequence

from monoscope.activations import ActivationStore
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput, MismatchedArtefact, UnknownSite, nearest


def check_fit(dictionary: SparseAutoencoder, store: ActivationStore, vocabulary: Sequence[str]) -> None:
    """Refuse a dictionary, activations and a vocabulary that don't fit each other.

    Raises:
        UnknownSite: the store has no activations of the dictionary's site.
        MismatchedArtefact: they are of another width, model or vocabulary.
        BrokenInput: the store is empty.
    """
    site = dictionary.site
    if site not in store.site_names:
        raise UnknownSite(
            f"the dictionary reads {site or 'an unnamed site'}, which the activations don't hold",
            nearest(site, store.site_names),
        )
    dictionary.check_width(store.d_model(site), site)
    if dictionary.model_hash and dictionary.model_hash != store.model_hash:
        raise MismatchedArtefact(
            f"the dictionary is for model {dictionary.model_hash}, the activations are of {store.model_hash}",
            "harvest activations of the model that the dictionary was trained on",
        )
    if not store.n_tokens:
        raise BrokenInput("the activations hold no tokens", "harvest a corpus with text")
    check_vocabulary(
        "the activations have tokens", int(store.rows.tokens.max()) + 1, len(vocabulary), most=True
    )


def check_vocabulary(what: str, size: int, vocabulary: int, *, most: bool = False) -> None:
    """Refuse what does not have one number for each token.

    Raises:
        MismatchedArtefact: the sizes differ; with ``most`` it may be smaller.
    """
    if size > vocabulary or (size != vocabulary and not most):
        raise MismatchedArtefact(
            f"{what} over {size} ids and the vocabulary has {vocabulary}", "take both from the same model"
        )
