"""Planted features that depend on one another: families of a parent and its children."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monoscope.errors import WrongUse
from monoscope.synthetic.planted import PlantedDictionary


@dataclass(frozen=True)
class PlantedFamilies(PlantedDictionary):
    """Orthogonal features of which some never come alone: a child is on only where its parent is.

    Where a parent is on, one of its children is on as well with probability ``child_share``, each as often as
    its siblings, and never two at once. Features outside families are on with probability ``density``,
    independently. Magnitudes are uniform between 0.5 and 1.5. The order is: parents, children of the first
    parent, of the second and so on, and the features outside families.

    A dictionary that is pressed to be sparse saves a feature by letting a child's feature write the parent as
    well, and the parent's feature then fails to fire beside it: absorption (Chanin et al. 2024, 2409.14507).
    """

    n_parents: int
    """Families."""
    n_children: int
    """Children of each parent."""
    parent_density: float
    """Probability that a parent is on."""
    child_share: float
    """Probability that one of its children is on where a parent is."""

    def sample(self, n: int, seed: int) -> tuple[Float[Tensor, "n d_model"], Float[Tensor, "n n_features"]]:
        """``n`` activations and the codes that made them; equal seeds give equal samples."""
        generator = torch.Generator().manual_seed(seed)
        n_features, n_inside = len(self.directions), self.n_parents * (1 + self.n_children)
        parents = torch.rand(n, self.n_parents, generator=generator) < self.parent_density
        drawn = torch.rand(n, self.n_parents, generator=generator) / self.child_share * self.n_children
        which = torch.arange(self.n_children) == drawn.floor().unsqueeze(-1)
        others = torch.rand(n, n_features - n_inside, generator=generator) < self.density
        on = torch.cat([parents, (which & parents.unsqueeze(-1)).flatten(1), others], dim=1)
        codes = on * (0.5 + torch.rand(on.shape, generator=generator))
        return codes @ self.directions, codes

    def with_child(self, codes: Float[Tensor, "n n_features"]) -> Bool[Tensor, "n n_parents"]:
        """Where each parent and one of its children are on."""
        children = codes[:, self.n_parents : self.n_parents * (1 + self.n_children)]
        return (children > 0).unflatten(1, (self.n_parents, self.n_children)).any(-1)


def planted_families(
    n_parents: int = 4,
    n_children: int = 4,
    n_others: int = 8,
    *,
    parent_density: float = 0.15,
    child_share: float = 0.8,
    density: float = 0.04,
    seed: int = 0,
) -> PlantedFamilies:
    """Families in as many dimensions as they have features, in random orthogonal directions.

    As they come, 1.4 features are on at a time.

    Raises:
        WrongUse: one of the probabilities is none above 0.
    """
    for name, share in (("parent", parent_density), ("child", child_share), ("feature", density)):
        if not 0 < share <= 1:
            raise WrongUse(
                f"{share} is no probability above 0 that a {name} is on", "give a number between 0 and 1"
            )
    n_features = n_parents * (1 + n_children) + n_others
    random = torch.randn(n_features, n_features, generator=torch.Generator().manual_seed(seed))
    directions = torch.linalg.qr(random).Q
    return PlantedFamilies(directions, density, n_parents, n_children, parent_density, child_share)
