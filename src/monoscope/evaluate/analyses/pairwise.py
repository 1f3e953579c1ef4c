"""Correlations of every column of one kind with every column of another, in one pass over activations."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class Pairwise:
    """Sums over tokens from which Pearson's r of each ``a`` with each ``b`` follows.

    Formula: ``r = (E[ab] - E[a] E[b]) / sqrt(var(a) var(b))``. Sums are float64; those of two texts add up to those
    of both.
    """

    def __init__(self, n_a: int, n_b: int) -> None:
        self.n = 0
        self.a, self.b = torch.zeros(2, n_a, dtype=torch.float64), torch.zeros(2, n_b, dtype=torch.float64)
        self.ab = torch.zeros(n_a, n_b, dtype=torch.float64)

    def see(self, a: Float[Tensor, "batch n_a"], b: Float[Tensor, "batch n_b"]) -> None:
        """Count some tokens."""
        self.n += len(a)
        self.a += torch.stack([a.double().sum(0), a.double().square().sum(0)])
        self.b += torch.stack([b.double().sum(0), b.double().square().sum(0)])
        self.ab += (a.T @ b).double()

    def __add__(self, other: "Pairwise") -> "Pairwise":
        both = Pairwise(self.a.shape[1], self.b.shape[1])
        both.n = self.n + other.n
        both.a, both.b, both.ab = self.a + other.a, self.b + other.b, self.ab + other.ab
        return both

    def r(self) -> Float[np.ndarray, "n_a n_b"]:
        """Pearson's r of each pair; 0 where one of the two never varies."""
        n = max(self.n, 1)
        mean_a, mean_b = self.a[0] / n, self.b[0] / n
        deviations = [
            (square / n - mean.square()).clamp_min(0).sqrt()
            for square, mean in ((self.a[1], mean_a), (self.b[1], mean_b))
        ]
        # What is left of a constant after rounding is no variation.
        flat = [
            deviation <= 1e-7 * mean.abs()
            for deviation, mean in zip(deviations, (mean_a, mean_b), strict=True)
        ]
        covariance = self.ab / n - mean_a[:, None] * mean_b
        r = covariance / (deviations[0][:, None] * deviations[1]).clamp_min(1e-300)
        r[flat[0]] = 0
        r[:, flat[1]] = 0
        return r.clamp(-1, 1).numpy()


def row_wise(a: Float[np.ndarray, "rows n"], b: Float[np.ndarray, "rows n"]) -> Float[np.ndarray, " rows"]:
    """Pearson's r of each row of ``a`` with the same row of ``b``; 0 where one of the two is constant."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(1), norms, out=np.zeros(len(a)), where=norms > 0)


def pearson(a: Any, b: Any) -> float:
    """Pearson's r of two columns; 0 where one of the two is constant."""
    return float(row_wise(np.asarray(a, np.float64)[None], np.asarray(b, np.float64)[None])[0])
