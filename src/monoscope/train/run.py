"""The state of a training run, and the one step that moves it."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.codes import ActiveCodes
from monoscope.dictionaries.folding import folded, normalised
from monoscope.dictionaries.kernels import halves_are_fast
from monoscope.dictionaries.scaling import Scaling
from monoscope.dictionaries.sparsifiers import BatchTopK
from monoscope.train.adam import Adam
from monoscope.train.coding import Coding, coding_of
from monoscope.train.constraints import share_gradient, tie
from monoscope.train.control import FARTHEST, SPEED, excess
from monoscope.train.liveness import Liveness, look_is_due
from monoscope.train.mesh import ALONE, Mesh
from monoscope.train.objectives import losses
from monoscope.train.options import TrainOptions
from monoscope.train.penalties import check_penalty
from monoscope.train.schedule import default_learning_rate, ramp, trapezium
from monoscope.train.sharding import whole_of
from monoscope.train.workbench import Workbench

THRESHOLD_DECAY = 0.999
"""Of BatchTopK's running threshold, a step, in a run of 20,000 steps or more (Bussmann et al. 2024)."""


@dataclass(frozen=True)
class Outcome:
    """What one step saw, for the log."""

    target: Float[Tensor, "batch d_out"]
    """What should have been written, scaled."""
    x_hat: Float[Tensor, "batch d_out"]
    """What was written, before the step."""
    coding: Coding
    """The codes, before the step."""
    terms: dict[str, Float[Tensor, ""]]
    """Weighted terms of the loss."""
    learning_rate: float
    """As it was."""
    price: float | Float[Tensor, ""]
    """What the penalty was multiplied with."""
    dead_share: float
    """Share of features that had not been active lately."""
    mesh: Mesh = ALONE
    """The ranks that took the step; all of them ask for its metrics, or none."""

    @torch.no_grad()
    def metrics(self) -> dict[str, float]:
        """FVU, L0, dead share, the terms of the loss and the learning rate."""
        data = self.mesh.data
        spread = data.mean((self.target - data.mean(self.target.mean(0))).square().sum())
        terms = {name: data.mean(term) for name, term in self.terms.items()}
        return {
            "fvu": float(data.mean((self.target - self.x_hat).square().sum()) / spread),
            "l0": float(self.mesh.overall(self.coding.l0(len(self.target)))),
            "dead_share": self.dead_share,
            "auxiliary": float(terms.get("auxiliary", 0.0)),
            "penalty": float(terms.get("penalty", 0.0)),
            "price": float(self.price),
            "loss": float(sum(terms.values())),
            "learning_rate": self.learning_rate,
        }


@dataclass
class Run:
    """The state of a training run: all that a checkpoint holds. One of several ranks has its part of it."""

    training: TrainOptions
    reading: Scaling
    writing: Scaling | None
    dictionary: SparseAutoencoder
    adam: Adam
    liveness: Liveness
    log_price: Float[Tensor, ""]
    step: int = 0
    reach: float | None = None
    workbench: Workbench = field(default_factory=Workbench)

    @classmethod
    def begun(
        cls,
        dictionary: SparseAutoencoder,
        training: TrainOptions,
        reading: Scaling,
        writing: Scaling | None = None,
        mesh: Mesh = ALONE,
    ) -> "Run":
        """A run before its first step; the dictionary is this rank's part."""
        check_penalty(dictionary.options.sparsifier, training.objective.penalty)
        for name, parameter in dictionary.named_parameters():
            parameter.requires_grad_(name not in dictionary.options.sparsifier.untrained)
        moved = {
            name: parameter
            for name, parameter in dictionary.named_parameters()
            if parameter.requires_grad and not (training.tied and name == "encoder")
        }
        unit_rows = frozenset({"decoder"} if training.unit_norm else ())
        adam = Adam(moved, betas=training.betas, clip=training.gradient_clip, unit_rows=unit_rows, mesh=mesh)
        device = dictionary.bias.device
        tokens_since = torch.zeros(dictionary.n_features, dtype=torch.int64, device=device)
        price = torch.zeros((), device=device)
        liveness = Liveness(tokens_since)
        # Both gradients of tied directions are needed at once, and parts of a batch have gradients to average.
        workbench = Workbench(mesh, collect=not training.tied and mesh.data.size == 1)
        return cls(training, reading, writing, dictionary, adam, liveness, price, workbench=workbench)

    @property
    def mesh(self) -> Mesh:
        """The ranks that learn together."""
        return self.workbench.mesh

    @property
    def n_features(self) -> int:
        """Features on all ranks."""
        return self.dictionary.n_features * self.mesh.features.size

    @property
    def learning_rate(self) -> float:
        """That of the coming step."""
        training = self.training
        peak = training.learning_rate or default_learning_rate(self.n_features)
        return peak * trapezium(self.step, training.n_steps, training.warmup, training.decay)

    def advance(
        self, x: Float[Tensor, "batch d_in"], target: Float[Tensor, "batch d_out"] | None = None
    ) -> Outcome:
        """Take one step on unscaled activations; without a target they are to be reconstructed.

        Of several ranks each is given its part of the batch.
        """
        training, dictionary, objective = self.training, self.dictionary, self.training.objective
        x = self.reading.apply(x)
        near = None if self.reach is None else (x.norm(dim=1, keepdim=True) < self.reach).to(x)
        x = x if near is None else x * near
        if target is None:
            target = x
        else:
            target = (self.writing or self.reading).apply(target)
            target = target if near is None else target * near
        if look_is_due(self.step, training.n_steps):
            self.liveness.look(training.dead_after(), self.mesh)
        dead, n_dead = self.liveness.dead, self.liveness.n_dead
        penalty = check_penalty(dictionary.options.sparsifier, objective.penalty)
        # Under autocast the dense products, of dense codes and of the auxiliary loss, are made in bfloat16.
        with torch.autocast(x.device.type, torch.bfloat16, enabled=halves_are_fast(x.device)):
            coding = coding_of(dictionary, x, also=objective.also_k, workbench=self.workbench)
            price = self._price(0.0 if penalty is None else penalty.weight, coding, len(x))
            terms, x_hat = losses(
                dictionary, x, target, coding, objective, dead=dead, penalty=penalty, price=price,
                progress=self.step / training.n_steps, workbench=self.workbench, n_dead=n_dead,
            )  # fmt: skip
        dictionary.zero_grad()
        self.workbench.clear()
        torch.stack(list(terms.values())).sum().backward()
        self.mesh.data.average(p.grad for p in dictionary.parameters() if p.grad is not None)
        rate = self._move()
        self._follow(coding, len(x))
        self.step += 1
        share = n_dead / self.n_features
        return Outcome(target, x_hat.detach(), coding, terms, rate, price, share, self.mesh)

    @torch.no_grad()
    def _price(self, weight: float, coding: Coding, batch: int) -> float | Tensor:
        """What activity costs in this step; a controller that has a target learns from the step's L0."""
        training, target = self.training, self.training.objective.target_l0
        price = weight * ramp(self.step, training.n_steps, training.objective.penalty_warmup)
        if target is None:
            return price
        l0 = self.mesh.overall(coding.l0(batch))
        error = excess(l0, target, self.n_features, self.step / training.n_steps)
        self.log_price += SPEED * self.learning_rate * error
        self.log_price.clamp_(-FARTHEST, FARTHEST)
        return price * (self.log_price + error).exp()

    def _move(self) -> float:
        """Let the gradients move the parameters, within their constraints; returns the learning rate."""
        dictionary, training = self.dictionary, self.training
        if training.tied:
            share_gradient(dictionary)
        rate = self.learning_rate
        self.adam.step(rate, self.workbench.gathered())
        if training.tied:
            tie(dictionary)
        return rate

    @torch.no_grad()
    def _follow(self, coding: Coding, batch: int) -> None:
        """What is counted, not learnt: who fired, BatchTopK's threshold."""
        self.liveness.update(coding.kept(), batch, self.mesh)
        if isinstance(self.dictionary.options.sparsifier, BatchTopK):
            assert isinstance(coding.codes, ActiveCodes)
            values = coding.codes.values
            threshold = self.dictionary.own["threshold"]
            none = values.new_full((1,), torch.inf)
            least = torch.cat([torch.where(values > 0, values, torch.inf), none]).min()
            smallest = -self.mesh.every.max(-least)
            followed = torch.where(smallest < torch.inf, smallest, threshold)
            # A short run must forget its beginning sooner than in a thousand steps.
            decay = min(THRESHOLD_DECAY, max(0.0, 1 - 20 / self.training.n_steps))
            threshold.lerp_(followed, 1.0 if self.step == 0 else 1 - decay)

    def finished(self) -> SparseAutoencoder:
        """The whole dictionary as a function of unscaled activations, its directions of norm 1."""
        dictionary = whole_of(self.dictionary.requires_grad_(False), self.mesh)
        if not self.training.unit_norm:
            dictionary = normalised(dictionary)
        return folded(dictionary, self.reading, self.writing)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by name; of several ranks, this one's part of each."""
        named = {f"dictionary.{name}": tensor for name, tensor in self.dictionary.state_dict().items()}
        for name, mean in self.adam.means.items():
            named |= {f"adam.{name}.mean": mean, f"adam.{name}.square": self.adam.squares[name]}
        for name, scaling in (("reading", self.reading), ("writing", self.writing)):
            if scaling is not None:
                # One number is a Python float, and comes back as the same one.
                factor = torch.as_tensor(
                    scaling.factor, dtype=torch.float64 if isinstance(scaling.factor, float) else None
                )
                named |= {f"{name}.centre": scaling.centre, f"{name}.factor": factor}
        counted = {"liveness": self.liveness.tokens_since, "dead": self.liveness.buried()}
        return named | counted | {"log_price": self.log_price}

    def record(self) -> dict[str, Any]:
        """The rest of the state."""
        return {"step": self.step, "reach": self.reach}

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
        mesh: Mesh = ALONE,
    ) -> "Run":
        """The run whose state :meth:`tensors` and :meth:`record` told; the options are the whole dictionary's."""
        options = replace(options, n_features=options.n_features // mesh.features.size)
        weights = under("dictionary.", tensors)
        dictionary = SparseAutoencoder.from_tensors(options, weights, site=site, model_hash=model_hash)
        reading, writing = (
            Scaling.from_tensors(under(f"{name}.", tensors)) for name in ("reading", "writing")
        )
        assert reading is not None
        run = cls.begun(dictionary, training, reading, writing, mesh)
        run.liveness.tokens_since = tensors["liveness"]
        run.liveness.bury(tensors["dead"], mesh)
        run.log_price = tensors["log_price"]
        run.step, run.reach = record["step"], record["reach"]
        run.adam.n_steps = run.step
        for name, mean in run.adam.means.items():
            mean.copy_(tensors[f"adam.{name}.mean"])
            run.adam.squares[name].copy_(tensors[f"adam.{name}.square"])
        return run


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
