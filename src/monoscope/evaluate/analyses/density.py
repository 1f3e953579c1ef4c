"""How often features fire, and the clusters of those that hardly ever do."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float

from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.analyses.base import ANALYSES, Material, Progress, unwatched

FORMULAS = {
    "density": "tokens on which a feature is active / tokens of the indexed corpus",
    "alignment": "cosine of a feature's encoder column and its direction",
    "ultra-low": "in the rarer of two Gaussians over (log10 density, alignment, encoder bias), each scaled to "
    "variance 1, where their means are a decade of density apart or more",
}


@ANALYSES.register("density")
@dataclass(frozen=True, kw_only=True)
class Density:
    """How often features fire: the dead, an ultra-low cluster where there is one, and the rest.

    Features of training gone wrong make a cluster of their own: they fire a hundred times more rarely than others, and
    their encoder does not look where their direction points. It is separated from the rest as a mixture of two
    Gaussians over log density, alignment of encoder and direction, and encoder bias.

    Reference: Bricken et al. 2023 (Towards Monosemanticity), appendix "Ultralow density cluster".
    """

    name: ClassVar[str]

    apart: float = 1.0
    """Decades of density between two clusters' means from which they count as two."""
    common: float = 0.01
    """Share of tokens from which a feature counts as common: many of them mean too low a price of activity."""
    seed: int = 0
    """Seed of the mixture's start."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Sort the features."""
        dictionary = material.dictionary
        density = np.asarray(material.index.statistics()["density"], np.float64)
        alive = density > 0
        logs = np.log10(density[alive])
        alignment = alignments(dictionary)[alive]
        bias = dictionary.encoder_bias.detach().float().cpu().numpy()[alive]
        rare = self.ultra_low(np.stack([logs, alignment, bias], axis=1))
        progress(1, 1)
        return {
            "formulas": FORMULAS,
            "n_tokens": int(material.index.manifest.content["n_tokens"]),
            "n_features": len(density),
            "dead_share": float((~alive).mean()),
            "ultra_low_share": float(rare.sum() / len(density)),
            "common_share": float((density >= self.common).mean()),
            "median_density": float(np.median(density[alive])) if alive.any() else None,
            "features": np.flatnonzero(alive).tolist(),
            "log10_density": logs.round(4).tolist(),
            "alignment": alignment.round(4).tolist(),
            "ultra_low": rare.tolist(),
            "checks": [],
        }

    def ultra_low(self, points: Float[np.ndarray, "alive 3"]) -> Bool[np.ndarray, " alive"]:
        """Which alive features are of the rare cluster; none where there is no such cluster."""
        from sklearn.mixture import GaussianMixture

        if len(points) < 20:
            return np.zeros(len(points), bool)
        scaled = (points - points.mean(0)) / points.std(0).clip(1e-9)
        mixture = GaussianMixture(2, random_state=self.seed, n_init=3).fit(scaled)
        member = mixture.predict(scaled)
        means = [points[member == each, 0].mean() if (member == each).any() else np.nan for each in (0, 1)]
        if not abs(means[0] - means[1]) >= self.apart:
            return np.zeros(len(points), bool)
        return member == int(np.argmin(means))


@torch.no_grad()
def alignments(dictionary: SparseAutoencoder) -> Float[np.ndarray, " n_features"]:
    """Cosine of each feature's encoder column and its direction; 0 where they are of different widths."""
    encoder, decoder = dictionary.encoder.float(), dictionary.directions.float()
    if encoder.shape[0] != decoder.shape[1]:
        return np.zeros(len(decoder))
    products = (encoder.T * decoder).sum(1)
    norms = encoder.norm(dim=0) * decoder.norm(dim=1)
    return (products / norms.clamp(min=1e-12)).cpu().numpy().astype(np.float64)
