"""A dictionary and the state of its run in parts, one for each rank that shares the features, and whole again."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.sparsifiers import TopK
from monoscope.errors import WrongUse
from monoscope.train.mesh import Mesh
from monoscope.train.options import TrainOptions

COPIED = ("bias", "output_bias", "skip")
"""Tensors of a dictionary that are not counted by features: every rank has them whole."""


def check_mesh(options: AutoencoderOptions, training: TrainOptions, mesh: Mesh) -> None:
    """Refuse what so many ranks cannot share.

    Raises:
        WrongUse: the features, or the activations of a batch, do not come out even; a rank has fewer features
            than are kept; the sparsifier looks at all of them.
    """
    features, data = mesh.features.size, mesh.data.size
    if options.n_features % features:
        raise WrongUse(
            f"{options.n_features} features cannot be shared evenly by {features} ranks",
            f"give a multiple of {features} features, or --feature-ranks a divisor of {options.n_features}",
        )
    if training.batch % data:
        raise WrongUse(
            f"a batch of {training.batch} activations cannot be shared evenly by {data} groups of ranks",
            f"give a batch that is a multiple of {data}, or more ranks to a group with --feature-ranks",
        )
    k = getattr(options.sparsifier, "k", 0)
    if k > options.n_features // features:
        raise WrongUse(
            f"k = {k} is more than the {options.n_features // features} features of each of {features} ranks",
            "let fewer ranks share them with --feature-ranks",
        )
    if features > 1 and not (options.sparsifier.elementwise or isinstance(options.sparsifier, TopK)):
        raise WrongUse(
            f"{options.sparsifier.name} looks at all features of an activation, and {features} ranks share them",
            "give --feature-ranks 1",
        )


def feature_dim(name: str, tensor: Tensor) -> int | None:
    """The dimension along which a tensor of a run is counted by features; None: it is not.

    Args:
        name: as :meth:`monoscope.train.run.Run.tensors` has it.
        tensor: the tensor.
    """
    owner, _, rest = name.partition(".")
    part = rest.partition(".")[0]
    if tensor.ndim == 0 or owner in ("reading", "writing") or part in COPIED:
        return None
    return 1 if part == "encoder" else 0


def parts(tensors: Mapping[str, Tensor], mesh: Mesh) -> dict[str, Tensor]:
    """Parts of the tensors of a whole run, those of this rank; copies, so that the whole can go."""
    found = dict(tensors)
    if mesh.features.size > 1:
        for name, tensor in tensors.items():
            dim = feature_dim(name, tensor)
            found[name] = tensor if dim is None else mesh.features.part(tensor, dim).clone()
    return found


def whole(tensors: Mapping[str, Tensor], mesh: Mesh, *, keep: bool = True) -> dict[str, Tensor]:
    """The tensors of the whole run, from the parts of all ranks that share the features.

    Args:
        tensors: this rank's parts.
        mesh: the ranks.
        keep: False on ranks that only give: they have an empty result.
    """
    if mesh.features.size == 1:
        return dict(tensors)
    found = {}
    for name, tensor in tensors.items():
        dim = feature_dim(name, tensor)
        together = tensor if dim is None else mesh.features.gather(tensor.detach(), dim)
        if keep:
            found[name] = together.cpu()
    return found


def part_of(dictionary: SparseAutoencoder, mesh: Mesh) -> SparseAutoencoder:
    """The features of a whole dictionary that this rank has."""
    return _remade(dictionary, parts(_named(dictionary), mesh), dictionary.n_features // mesh.features.size)


def whole_of(dictionary: SparseAutoencoder, mesh: Mesh) -> SparseAutoencoder:
    """The whole dictionary, from this rank's features and the others'; the same on all."""
    made = _remade(dictionary, whole(_named(dictionary), mesh), dictionary.n_features * mesh.features.size)
    return made.to(dictionary.bias.device)


def _named(dictionary: SparseAutoencoder) -> dict[str, Tensor]:
    return {f"dictionary.{name}": tensor for name, tensor in dictionary.state_dict().items()}


def _remade(dictionary: SparseAutoencoder, tensors: dict[str, Tensor], n_features: int) -> SparseAutoencoder:
    """A dictionary of other features from named tensors; the same one where they are all of them."""
    if n_features == dictionary.n_features:
        return dictionary
    return SparseAutoencoder.from_tensors(
        replace(dictionary.options, n_features=n_features),
        {name.removeprefix("dictionary."): tensor for name, tensor in tensors.items()},
        site=dictionary.site,
        model_hash=dictionary.model_hash,
    )
