"""What training finds where the truth is known: recipes side by side on planted features.

Each test says what was measured when it was written. Short runs at a larger learning rate have the figures of
long ones, which are the slow tests.
"""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from monoscope.dictionaries import (
    AutoencoderOptions,
    BatchTopK,
    Gated,
    JumpReLU,
    ReLU,
    Scaling,
    SparseAutoencoder,
    Sparsifier,
    TopK,
)
from monoscope.synthetic.families import PlantedFamilies, planted_families
from monoscope.synthetic.planted import best_cosines, planted_dictionary
from monoscope.train import Objective, Penalty, Resampling, TrainOptions, train
from monoscope.train.penalties import L0, L1, Gate, Power, Tanh
from monoscope.train.resampling import resample
from monoscope.train.run import Run

TOY = planted_dictionary(128, 32, density=0.02, seed=0)
"""128 features in 32 dimensions, 2.56 of them on at a time."""
X, CODES = TOY.sample(20_000, seed=99)
FACTOR = float(Scaling.fit(None, "geometric_median", X).factor)
"""What training multiplies this data with. A weight of L1 grows with it, one of L0 with its square."""

SHORT = TrainOptions(n_tokens=500 * 256, batch=256, learning_rate=5e-3, warmup=0.0)
LONG = TrainOptions(n_tokens=4000 * 256, batch=256, learning_rate=1e-3, warmup=0.0)


class AsTheyAre:
    """Statistics by which activations of width 32 are left as they are."""

    mean = torch.zeros(32)
    mean_squared_norm = 32.0


UNTIED = replace(SHORT, initial="independent", centring="none", objective=Objective(auxiliary_weight=0.0))
"""An encoder of its own and no auxiliary loss, where TopK loses most features.

It is used with activations as they are: the smaller they are, the faster biases move, and the more features die.
"""


def learn(
    sparsifier: Sparsifier, training: TrainOptions = SHORT, *, as_they_are: bool = False
) -> SparseAutoencoder:
    """256 features for the toy's 128."""
    options = AutoencoderOptions(n_features=256, sparsifier=sparsifier)
    return train(TOY.stream(), options, training, statistics=AsTheyAre() if as_they_are else None)


@dataclass(frozen=True)
class Found:
    """How a dictionary does on activations that it was not trained on."""

    recovered: float
    """Share of the planted features that an alive feature matches with a cosine above 0.9."""
    scale: float
    """What matching features say, over what was planted, where they say anything: below 1 is shrinkage."""
    dead: float
    """Share of features that are never active."""
    l0: float
    """Active features of an activation."""
    fve: float
    """Share of the variance that is explained."""


def alive(dictionary: SparseAutoencoder) -> Tensor:
    """The directions of features that are active somewhere."""
    return dictionary.directions[(dictionary.encode(X) > 0).any(0)]


def found(dictionary: SparseAutoencoder) -> Found:
    """Measure a dictionary."""
    codes = dictionary.encode(X)
    active = (codes > 0).any(0)
    matching = (TOY.directions @ dictionary.directions.T > 0.9) & active
    said = codes @ matching.float().T
    both = (said > 0) & (CODES > 0)
    left = (X - dictionary(X)).square().sum() / (X - X.mean(0)).square().sum()
    return Found(
        recovered=float(matching.any(1).float().mean()),
        scale=float(said[both].sum() / CODES[both].sum()),
        dead=1 - float(active.float().mean()),
        l0=float((codes > 0).float().sum(1).mean()),
        fve=1 - float(left),
    )


@pytest.fixture(scope="module")
def tied() -> SparseAutoencoder:
    """TopK that begins tied, with the auxiliary loss: the usual way."""
    return learn(TopK(3))


def test_topk_finds_every_feature_and_hardly_shrinks(tied: SparseAutoencoder) -> None:
    """Measured: 1.00 recovered, scale .87, FVE .84."""
    result = found(tied)
    assert result.recovered >= 0.98
    assert result.scale >= 0.8
    assert result.fve >= 0.82


def test_l1_finds_every_feature_and_halves_it() -> None:
    """Measured: 1.00 recovered, scale .50, L0 10.6."""
    weight = 0.3 * FACTOR
    result = found(learn(ReLU(), replace(SHORT, objective=Objective(penalty=L1(weight)))))
    assert result.recovered >= 0.95
    assert result.scale <= 0.6


@pytest.mark.slow
def test_two_seeds_find_the_same_directions(tied: SparseAutoencoder) -> None:
    """Median of the best cosines of features that are alive. Measured: 1.00, random directions .44."""
    other = learn(TopK(3), replace(SHORT, seed=1))
    first, second = alive(tied), alive(other)
    random = [
        planted_dictionary(len(each), 32, seed=seed).directions for seed, each in ((7, first), (8, second))
    ]
    assert best_cosines(first, second).median() >= 0.9
    assert best_cosines(*random).median() < 0.6


@pytest.mark.slow
def test_topk_loses_most_features_where_nothing_helps_them() -> None:
    """Measured: .46 recovered, .65 dead (.40 and .68 with another seed)."""
    result = found(learn(TopK(3), UNTIED, as_they_are=True))
    assert result.recovered <= 0.6
    assert result.dead >= 0.5


def test_the_auxiliary_loss_finds_what_is_lost() -> None:
    """Measured: .88 recovered; 1.00 in the long run."""
    result = found(learn(TopK(3), replace(UNTIED, objective=Objective()), as_they_are=True))
    assert result.recovered >= 0.8


@pytest.mark.slow
def test_resampling_finds_what_is_lost() -> None:
    """Newcomers must be as strong as the others to be among the largest. Measured: .99 recovered."""
    resampling = Resampling(encoder_norm=1.0)
    result = found(learn(TopK(3), replace(UNTIED, resampling=resampling), as_they_are=True))
    assert result.recovered >= 0.95


KILLED = slice(0, 64)
"""Of 128 features of ReLU, half are given biases that no activation reaches."""


def killed_run() -> Run:
    """A run of which half of the features were active once and are dead."""
    training = replace(
        LONG,
        n_tokens=1200 * 256,
        dead_after_tokens=50 * 256,
        objective=Objective(penalty=L1(0.3 * FACTOR)),
        resampling=Resampling(),
    )
    options = AutoencoderOptions(n_features=128, sparsifier=ReLU())
    run = Run.begun(SparseAutoencoder.initialise(32, options, seed=0), training, Scaling.fit(None, "mean", X))
    advance(run, 100)
    with torch.no_grad():
        run.dictionary.encoder_bias[KILLED] = -100.0
    advance(run, 100)
    return run


def advance(run: Run, steps: int) -> None:
    """Take steps on fresh activations."""
    batches = TOY.stream().batches(256, seed=0, start=run.step)
    for x, _ in zip(batches, range(steps), strict=False):
        run.advance(x)


def by_feature(run: Run) -> dict[str, Tensor]:
    """What the run holds for each feature, a row each: parameters and Adam's moments."""
    names = ("encoder", "encoder_bias", "decoder")
    kinds = ("dictionary.{}", "adam.{}.mean", "adam.{}.square")
    tensors = {kind.format(name): run.tensors()[kind.format(name)] for name in names for kind in kinds}
    return {
        name: (tensor.T if ".encoder." in f"{name}." else tensor).detach().clone().reshape(128, -1)
        for name, tensor in tensors.items()
    }


def test_resampling_makes_dead_features_anew_and_they_live() -> None:
    """Of 64 dead features, measured: 64 live 1000 steps later."""
    run = killed_run()
    before = by_feature(run)
    assert resample(run, TOY.sample(16_384, seed=5)[0]).tolist() == list(range(64))
    for name, after in by_feature(run).items():
        assert torch.equal(before[name][64:], after[64:]), f"{name} of an alive feature was changed"
        if name.startswith("adam"):
            assert before[name][KILLED].any()
            assert not after[KILLED].any()
        else:
            changed = (before[name][KILLED] != after[KILLED]).any(1)
            assert changed.all(), f"{name} of a dead feature is as before"
    encoder, decoder = run.dictionary.encoder.detach().T, run.dictionary.directions
    wanted = 0.2 * encoder[64:].norm(dim=1).mean()
    assert torch.allclose(encoder[KILLED].norm(dim=1), wanted, rtol=1e-4)
    assert torch.allclose(encoder[KILLED] / wanted, decoder[KILLED], atol=1e-4)
    assert not run.dictionary.encoder_bias[KILLED].any()
    advance(run, 1000)
    run.liveness.look(50 * 256)
    assert run.liveness.n_dead <= 32


def test_what_is_not_resampled_stays_dead() -> None:
    """No gradient reaches a feature that no activation reaches."""
    run = killed_run()
    advance(run, 50)
    run.liveness.look(50 * 256)
    assert run.liveness.dead.tolist() == list(range(64))


def absorption(dictionary: SparseAutoencoder, families: PlantedFamilies) -> tuple[float, float]:
    """``1 - P(a parent's feature fires | parent and child are on)`` and FVE, at an L0 of exactly ``k``.

    A parent's feature is the one whose direction is nearest to it.
    """
    x, planted = families.sample(20_000, seed=99)
    codes = dictionary.options.sparsifier.trained(dictionary.pre_activations(x), dictionary.own)
    main = (families.directions[: families.n_parents] @ dictionary.directions.T).argmax(1)
    both = families.with_child(planted)
    fires = ((codes[:, main] > 0) & both).sum(0) / both.sum(0)
    left = (x - dictionary.decode(codes)).square().sum() / (x - x.mean(0)).square().sum()
    return 1 - float(fires.mean()), 1 - float(left)


@pytest.mark.slow
def test_matryoshka_absorbs_less_and_explains_less() -> None:
    """Means of four worlds, measured: absorption .61 and .32, FVE .94 and .89."""
    results = []
    for shares in ((), (12 / 28, 1.0)):
        training = replace(
            SHORT, n_tokens=200 * 256, learning_rate=1e-2, objective=Objective(matryoshka=shares)
        )
        options = AutoencoderOptions(n_features=28, sparsifier=BatchTopK(1))
        worlds = [planted_families(seed=seed) for seed in range(4)]
        each = [
            absorption(train(world.stream(), options, replace(training, seed=seed)), world)
            for seed, world in enumerate(worlds)
        ]
        results.append(torch.tensor(each).mean(0))
    plain, matryoshka = results
    assert matryoshka[0] <= 0.75 * plain[0]
    assert matryoshka[1] < plain[1]


@pytest.mark.slow
@pytest.mark.parametrize("sparsifier", [ReLU(), JumpReLU(), Gated()], ids=["relu", "jumprelu", "gated"])
def test_the_price_of_activity_finds_its_target(sparsifier: Sparsifier) -> None:
    """Target 4, measured: 3.8 for ReLU, 3.9 for JumpReLU and Gated."""
    training = replace(SHORT, n_tokens=1000 * 256, objective=Objective(target_l0=4.0))
    assert found(learn(sparsifier, training)).l0 == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    "training",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=pytest.mark.slow),
    ],
)
def test_batch_topk_keeps_k_features_by_its_threshold(training: TrainOptions) -> None:
    """Of 3, measured: 2.9 in the short run, 3.0 in the long one."""
    assert found(learn(BatchTopK(3), training)).l0 == pytest.approx(3, rel=0.1)


def test_jumprelu_as_it_comes_is_sparse() -> None:
    """Measured: 8.7 of 256 features active."""
    assert found(learn(JumpReLU(), replace(SHORT, n_tokens=300 * 256))).l0 <= 32


def priced(penalty: Penalty) -> TrainOptions:
    """The long run with a price on activity."""
    return replace(LONG, objective=Objective(penalty=penalty))


STEP = JumpReLU(width=0.05 * FACTOR, initial=0.05 * FACTOR, through_values=False)
STEPPED = priced(L0(0.15 * FACTOR**2))
FREE = {"unit_norm": False}
LONGER = {"n_tokens": 16_000 * 256}
RECIPES = {
    "l1-0.2": (ReLU(), priced(L1(0.2 * FACTOR)), 0.86, 0.903, 0.41),
    "l1-0.3": (ReLU(), priced(L1(0.3 * FACTOR)), 0.99, 0.861, 0.49),
    "l1-0.5": (ReLU(), priced(L1(0.5 * FACTOR)), 1.00, 0.803, 0.52),
    "free-norms-0.3": (ReLU(), replace(priced(L1(0.3 * FACTOR)), **FREE), 1.00, 0.864, 0.50),
    "free-norms-0.5": (ReLU(), replace(priced(L1(0.5 * FACTOR)), **FREE), 1.00, 0.803, 0.53),
    "topk": (TopK(3), LONG, 1.00, 0.843, 0.87),
    "batch-topk": (BatchTopK(3), LONG, 0.45, 0.755, 0.80),
    "batch-topk-16k": (BatchTopK(3), replace(LONG, **LONGER), 0.95, 0.839, 0.78),
    "jumprelu": (STEP, STEPPED, 0.67, 0.775, 0.82),
    "jumprelu-16k": (STEP, replace(STEPPED, **LONGER), 0.67, 0.782, 0.83),
    "p-annealing-0.3": (ReLU(), priced(Power(0.3 * FACTOR)), 0.99, 0.852, 0.60),
    "p-annealing-0.5": (ReLU(), priced(Power(0.5 * FACTOR)), 1.00, 0.820, 0.58),
    "gated-0.7": (Gated(), priced(Gate(0.7 * FACTOR)), 0.97, 0.865, 0.64),
    "gated-1": (Gated(), priced(Gate(FACTOR)), 1.00, 0.850, 0.68),
    "tanh": (JumpReLU(0.5, 0.5, True), priced(Tanh(0.5)), 0.99, 0.816, 0.82),
}
"""Name -> sparsifier, training, and what is expected: recovered, FVE and scale.

Down to ``jumprelu-16k`` the figures are those of another program, written in numpy for the same data; the
others were measured here.
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_as_good_as_calibrated(name: str) -> None:
    """Measured: recovered .97 to 1.00 for all; FVE .837 for ``batch-topk``, .824 and .818 for ``jumprelu``, and
    within .01 of what is expected for the others; scale within .06.
    """
    sparsifier, training, recovered, fve, scale = RECIPES[name]
    result = found(learn(sparsifier, training))
    assert result.recovered >= recovered - 0.02
    assert result.fve >= fve - 0.02
    assert result.scale == pytest.approx(scale, abs=0.1)
