"""How a dictionary is trained: what is minimised, how it begins, and the schedule."""

from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any, Literal

from monoscope.dictionaries.scaling import Centring
from monoscope.errors import WrongUse
from monoscope.train.penalties import Penalty, penalty_record


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is minimised: the squared error, what activity costs, and what revives the dead."""

    penalty: Penalty | None = None
    """The price of activity; None: the sparsifier's usual one (none for TopK and BatchTopK)."""
    penalty_warmup: float = 0.05
    """Share of the run over which the penalty rises from 0."""
    target_l0: float | None = None
    """Turn the penalty's weight until so many features are active on an activation; None: leave it."""
    matryoshka: tuple[float, ...] = ()
    """Shares of the features, rising to 1, whose first features must reconstruct by themselves: (0.25, 1)."""
    also_k: int = 1
    """Multi-TopK: reconstruct from ``also_k * k`` features as well; 1: no."""
    also_weight: float = 1 / 8
    """Multi-TopK: what that second error counts."""
    auxiliary_weight: float = 1 / 32
    """Weight of the loss that revives dead features; 0 leaves them dead."""
    auxiliary_k: int | None = None
    """Dead features that share the residual of one token; by default half of the width written."""

    def __post_init__(self) -> None:
        shares = self.matryoshka
        if shares and (list(shares) != sorted(set(shares)) or shares[0] <= 0 or shares[-1] != 1):
            raise WrongUse(f"the shares {shares} are not rising to 1", "give for instance (0.25, 1)")
        if self.also_k < 1:
            raise WrongUse(f"also_k = {self.also_k} is less than k itself", "give 1 or more")
        if shares and self.also_k > 1:
            raise WrongUse("Matryoshka and Multi-TopK are not made for each other", "choose one")

    def prefixes(self, n_features: int) -> tuple[int, ...]:
        """The widths of Matryoshka's stages; empty without."""
        return tuple(max(1, round(share * n_features)) for share in self.matryoshka)


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """Dead features made anew where the reconstruction is worst (Bricken et al. 2023, appendix)."""

    at: tuple[float, ...] = (0.125, 0.25, 0.375, 0.5)
    """Shares of the run at which it is done."""
    n_tokens: int = 65_536
    """Activations among which new directions are drawn, with probability in proportion to the squared loss."""
    encoder_norm: float = 0.2
    """Norm of a new encoder column, as a share of the mean norm of those alive; TopK needs 1, or the new never win."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a dictionary is trained."""

    n_tokens: int = 8_000_000
    """Training tokens; those of the store come round again, in another order, if they are fewer."""
    batch: int = 4096
    """Tokens for each step."""
    objective: Objective = field(default_factory=Objective)
    """What is minimised."""
    resampling: Resampling | None = None
    """Make dead features anew; None: the auxiliary loss alone revives them."""
    initial: Literal["tied", "data", "independent"] = "tied"
    """Directions at the start: random with an encoder equal to them, activations from the data, or random with an
    encoder of its own."""
    unit_norm: bool = True
    """Hold directions at norm 1; otherwise norms are free, and folded into the codes at the end."""
    tied: bool = False
    """Keep the encoder equal to the directions all the way (Cunningham et al. 2023)."""
    skip: bool = False
    """Transcoders: learn a linear map beside the features (2501.18823)."""
    learning_rate: float | None = None
    """Peak learning rate of Adam; by default it goes with one over the square root of n_features."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's decays of the mean and of the mean square."""
    warmup: float = 0.02
    """Share of the run over which the learning rate rises."""
    decay: float = 0.2
    """Share of the run, at its end, over which the learning rate falls to 0."""
    dead_after_tokens: int | None = None
    """Tokens without firing that make a feature dead; by default a 20th of the run."""
    centring: Centring = "geometric_median"
    """The point that activations are counted from."""
    gradient_clip: float | None = 1.0
    """Largest norm of the gradient of all parameters together; None does not clip."""
    seed: int = 0
    """Seed of the initial directions, of the sample that scaling is fitted on, and of the tokens' order."""
    order_seed: int | None = None
    """Another seed for the tokens' order alone, which dictionaries that are learnt together must share."""
    checkpoint_every_seconds: float = 30.0
    """Seconds between two checkpoints; an interrupted run also writes one."""
    mirrors: tuple[str, ...] = ()
    """Who is told the log's numbers too: tensorboard (a folder beside the dictionary), wandb."""

    def __post_init__(self) -> None:
        if self.n_tokens < 1 or self.batch < 1:
            raise WrongUse(
                f"{self.n_tokens} tokens in batches of {self.batch} train nothing", "give 1 or more"
            )
        if self.warmup + self.decay > 1:
            raise WrongUse(
                f"warmup {self.warmup} and decay {self.decay} are more than the whole run", "lower one"
            )
        if self.tied and not self.unit_norm:
            raise WrongUse("tied directions of free norm are not defined here", "leave unit_norm on")

    @property
    def n_steps(self) -> int:
        """Steps of the run."""
        return ceil(self.n_tokens / self.batch)

    @property
    def order(self) -> int:
        """Seed of the tokens' order."""
        return self.seed if self.order_seed is None else self.order_seed

    def to_record(self) -> dict[str, Any]:
        """The options as JSON can hold them."""
        penalty = {"penalty": penalty_record(self.objective.penalty)}
        return asdict(self) | {"objective": asdict(self.objective) | penalty}

    def dead_after(self) -> int:
        """Tokens without firing that make a feature dead."""
        return self.dead_after_tokens or min(10_000_000, self.n_tokens // 20)
