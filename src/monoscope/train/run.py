"""The state of a training run, and the one step that moves it."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.kernels import halves_are_fast
from monoscope.dictionaries.scaling import Centring, Scaling
from monoscope.errors import WrongUse
from monoscope.train.liveness import Liveness
from monoscope.train.schedule import default_learning_rate, ramp, trapezium
from monoscope.train.step import codes_of, losses, normalise_directions, remove_radial_gradient


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a dictionary is trained."""

    n_tokens: int = 8_000_000
    """Training tokens; those of the store come round again, in another order, if they are fewer."""
    batch: int = 4096
    """Tokens for each step."""
    learning_rate: float | None = None
    """Peak learning rate of Adam; by default it goes with one over the square root of n_features."""
    warmup: float = 0.02
    """Share of the run over which the learning rate rises."""
    decay: float = 0.2
    """Share of the run, at its end, over which the learning rate falls to 0."""
    sparsity_warmup: float = 0.05
    """Share of the run over which the penalty of ReLU rises."""
    auxiliary_weight: float = 1 / 32
    """Weight of the loss that revives dead features; 0 leaves them dead."""
    auxiliary_k: int | None = None
    """Dead features that share the residual of one token; by default half of d_model."""
    dead_after_tokens: int | None = None
    """Tokens without firing that make a feature dead; by default a 20th of the run."""
    centring: Centring = "geometric_median"
    """The point that activations are counted from."""
    gradient_clip: float | None = 1.0
    """Largest norm of the gradient of all parameters together; None does not clip."""
    seed: int = 0
    """Seed of the initial directions, of the tokens' order and of the sample that scaling is fitted on."""
    checkpoint_every_seconds: float = 30.0
    """Seconds between two checkpoints; an interrupted run also writes one."""

    def __post_init__(self) -> None:
        if self.n_tokens < 1 or self.batch < 1:
            raise WrongUse(
                f"{self.n_tokens} tokens in batches of {self.batch} train nothing", "give 1 or more"
            )
        if self.warmup + self.decay > 1:
            raise WrongUse(
                f"warmup {self.warmup} and decay {self.decay} are more than the whole run", "lower one"
            )

    @property
    def n_steps(self) -> int:
        """Steps of the run."""
        return ceil(self.n_tokens / self.batch)

    def dead_after(self) -> int:
        """Tokens without firing that make a feature dead."""
        return self.dead_after_tokens or min(10_000_000, self.n_tokens // 20)


@dataclass(frozen=True)
class Outcome:
    """What one step saw, for the log."""

    x: Float[Tensor, "batch d_model"]
    """Scaled activations."""
    x_hat: Float[Tensor, "batch d_model"]
    """Their reconstruction, before the step."""
    codes: Float[Tensor, "batch n_features"] | SparseCodes
    """Their codes, before the step."""
    terms: dict[str, Float[Tensor, ""]]
    """Weighted terms of the loss."""
    learning_rate: float
    """As it was."""
    dead_share: float
    """Share of features that had not been active lately."""

    @torch.no_grad()
    def metrics(self) -> dict[str, float]:
        """FVU, L0, dead share, the auxiliary loss and the learning rate."""
        values = self.codes.values if isinstance(self.codes, SparseCodes) else self.codes
        residual = (self.x - self.x_hat).square().sum() / (self.x - self.x.mean(0)).square().sum()
        return {
            "fvu": float(residual),
            "l0": float((values > 0).sum(-1).float().mean()),
            "dead_share": self.dead_share,
            "auxiliary": float(self.terms.get("auxiliary", 0.0)),
            "loss": float(sum(self.terms.values())),
            "learning_rate": self.learning_rate,
        }


@dataclass
class Run:
    """The state of a training run: all that a checkpoint holds."""

    training: TrainOptions
    scaling: Scaling
    dictionary: SparseAutoencoder
    optimiser: torch.optim.Adam
    liveness: Liveness
    step: int = 0

    @classmethod
    def begun(cls, dictionary: SparseAutoencoder, scaling: Scaling, training: TrainOptions) -> "Run":
        """A run before its first step."""
        dictionary.requires_grad_(True)
        rate = training.learning_rate or default_learning_rate(dictionary.n_features)
        optimiser = torch.optim.Adam(dictionary.parameters(), lr=rate, eps=6.25e-10, fused=True)
        tokens_since = torch.zeros(dictionary.n_features, dtype=torch.int64, device=dictionary.bias.device)
        return cls(training, scaling, dictionary, optimiser, Liveness(tokens_since))

    def advance(self, x: Float[Tensor, "batch d_model"]) -> Outcome:
        """Take one step on unscaled activations."""
        training, dictionary = self.training, self.dictionary
        x = self.scaling.apply(x)
        dead = self.liveness.dead(training.dead_after())
        # Under autocast the dense products, of ReLU's codes and of the auxiliary loss, are made in bfloat16.
        with torch.autocast(x.device.type, torch.bfloat16, enabled=halves_are_fast(x.device)):
            codes = codes_of(dictionary, x)
            terms, x_hat = losses(
                dictionary,
                x,
                codes,
                dead=dead,
                auxiliary_k_kept=training.auxiliary_k or max(1, dictionary.d_model // 2),
                auxiliary_weight=training.auxiliary_weight,
                sparsity=ramp(self.step, training.n_steps, training.sparsity_warmup),
            )
        self.optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        remove_radial_gradient(dictionary)
        if training.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(dictionary.parameters(), training.gradient_clip)
        rate = training.learning_rate or default_learning_rate(dictionary.n_features)
        rate *= trapezium(self.step, training.n_steps, training.warmup, training.decay)
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()
        normalise_directions(dictionary)
        self.liveness.update(codes)
        self.step += 1
        return Outcome(x, x_hat.detach(), codes, terms, rate, len(dead) / dictionary.n_features)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by name."""
        moments = self.optimiser.state_dict()["state"]
        named = {f"dictionary.{name}": tensor for name, tensor in self.dictionary.state_dict().items()}
        for i, state in moments.items():
            named |= {f"adam.{i}.{name}": tensor for name, tensor in state.items()}
        return named | {"liveness": self.liveness.tokens_since, "centre": self.scaling.centre}

    def record(self) -> dict[str, Any]:
        """The rest of the state."""
        return {"step": self.step, "factor": self.scaling.factor}

    @classmethod
    def resumed(
        cls,
        options: AutoencoderOptions,
        training: TrainOptions,
        tensors: dict[str, Tensor],
        record: dict[str, Any],
        *,
        site: str,
        model_hash: str,
    ) -> "Run":
        """The run whose state :meth:`tensors` and :meth:`record` told."""
        prefix = "dictionary."
        weights = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        dictionary = SparseAutoencoder(options, **weights, site=site, model_hash=model_hash)
        run = cls.begun(dictionary, Scaling(tensors["centre"], record["factor"]), training)
        run.liveness.tokens_since = tensors["liveness"]
        run.step = record["step"]
        for i, parameter in enumerate(dictionary.parameters()):
            step = tensors[f"adam.{i}.step"]
            moments = {name: torch.empty_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
            for name, moment in moments.items():
                moment.copy_(tensors[f"adam.{i}.{name}"])
            run.optimiser.state[parameter] = {"step": step, **moments}
        return run

    def finished(self) -> SparseAutoencoder:
        """The dictionary as a function of unscaled activations."""
        return self.dictionary.requires_grad_(False).folded(self.scaling)
