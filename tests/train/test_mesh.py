"""Several processes learn what one learns, and go on with one another's runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from monoscope.dictionaries import AutoencoderOptions, Sparsifier, TopK
from monoscope.dictionaries.files import load
from monoscope.errors import MissingInput, WrongUse
from monoscope.train import ALONE, Mesh, TensorStream, TrainOptions, coding, read_metrics, torchrun, train
from monoscope.train import run as step_of_run
from monoscope.train.checkpoint import read_checkpoint
from monoscope.train.mesh import Axis
from monoscope.train.sharding import check_mesh
from monoscope.train.workplace import Workplace

from . import mesh_runs
from .mesh_runs import BATCH, CASES, LONG, OPTIONS, STOPPED_AT, Interrupted, X, followed, stopped

SHAPES = ["1x2", "2x1", *(pytest.param(shape, marks=pytest.mark.slow) for shape in ("2x2", "1x4"))]
every_shape = pytest.mark.parametrize("shape", SHAPES)


@pytest.fixture(scope="module", autouse=True)
def exact() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (coding, step_of_run):
            patch.setattr(module, "halves_are_fast", lambda device: False)
        torch.set_default_dtype(torch.float64)
        yield
        torch.set_default_dtype(torch.float32)


def started(out: Path, *shapes: str) -> None:
    """Have as many processes as the shapes need follow every case, and make a whole run or go on with one."""
    words = [sys.executable, mesh_runs.__file__, out, *shapes]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=one_thread, stderr=subprocess.PIPE, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def handed(run: Path, to: Path) -> None:
    """Let ``to`` go on where ``run`` was stopped."""
    shutil.copytree(run.with_name(f".{run.name}.training"), to.with_name(f".{to.name}.training"))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole runs of this process: one that was never stopped, one that was."""
    out = tmp_path_factory.mktemp("one")
    train(TensorStream(X), OPTIONS, LONG, out=out / "run")
    assert stopped(out / "stopped", ALONE, Interrupted(X))
    return out


@pytest.fixture(scope="module")
def two(one: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes found; their whole runs go on where one was stopped."""
    out = tmp_path_factory.mktemp("two")
    for shape in ("1x2", "2x1"):
        handed(one / "stopped", out / f"run by {shape}")
    started(out, "1x2", "2x1")
    return out


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What four processes found; their whole runs were never stopped."""
    out = tmp_path_factory.mktemp("four")
    started(out, "2x2", "1x4")
    return out


@pytest.fixture
def out(shape: str, request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue("two" if shape in ("1x2", "2x1") else "four")


@cache
def alone(case: str) -> dict[str, Tensor]:
    return followed(CASES[case], ALONE)


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.double(), b.double(), rtol=1e-8, atol=1e-9)


@every_shape
@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_one_process(out: Path, case: str, shape: str) -> None:
    expected, found = alone(case), load_file(out / f"{shape} {case}.safetensors")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        same = close if tensor.is_floating_point() else torch.equal
        assert same(found[name], tensor), name


@pytest.mark.parametrize(
    "case", [case for case in CASES if case not in ("relu", "p-annealing", "tied", "gated")]
)
def test_what_is_compared_has_more_dead_features_than_the_auxiliary_loss_takes(case: str) -> None:
    dead_share, auxiliary = alone(case)["metrics"][:, 2:4].T
    assert dead_share.max() * mesh_runs.N_FEATURES > 5
    assert torch.equal(auxiliary > 0, dead_share > 0)


def test_what_is_compared_codes_more_and_is_resampled() -> None:
    found = alone("multi-topk")
    assert found["coded"].sum() > 2 * found["active"].sum()
    alive = (alone("resampling")["metrics"][:, 2] == 0).nonzero().flatten().tolist()
    assert alive == [0, mesh_runs.STEPS // 2]


@every_shape
def test_of_equal_candidates_those_of_lower_ranks_are_taken(out: Path, shape: str) -> None:
    found = load_file(out / f"{shape} largest.safetensors")
    order = found["given"].argsort(dim=1, descending=True, stable=True)[:, :7]
    expected = torch.zeros_like(found["kept"]).scatter(1, order, True)
    assert torch.equal(found["kept"], expected)


@every_shape
def test_a_run_ends_as_one_process_ends_it(one: Path, out: Path, shape: str) -> None:
    expected, found = load(one / "run"), load(out / f"run by {shape}")
    assert found.options == expected.options
    for name, tensor in expected.state_dict().items():
        assert close(found.state_dict()[name], tensor), name
    logs = [read_metrics(path / "metrics.jsonl")[-1] for path in (one / "run", out / f"run by {shape}")]
    assert logs[0].keys() == logs[1].keys()
    assert logs[1]["fvu"] == pytest.approx(logs[0]["fvu"])
    first = int(load_file(out / f"{shape} progress.safetensors")["first"])
    assert first == (STOPPED_AT + 2 if out.name.startswith("two") else 1) * BATCH


@every_shape
def test_a_stopped_run_leaves_what_one_process_leaves(
    one: Path, out: Path, shape: str, tmp_path: Path
) -> None:
    stopped_by = out / f"stopped by {shape}"
    expected, found = (
        read_checkpoint(path.with_name(f".{path.name}.training") / "checkpoint.safetensors")
        for path in (one / "stopped", stopped_by)
    )
    assert expected is not None
    assert found is not None
    assert found[1] == expected[1]
    assert found[0].keys() == expected[0].keys()
    for name, tensor in expected[0].items():
        assert found[0][name].dtype == tensor.dtype
        assert close(found[0][name], tensor), name
    handed(stopped_by, tmp_path / "run")
    again = train(TensorStream(X), OPTIONS, LONG, out=tmp_path / "run")
    for name, tensor in load(one / "run").state_dict().items():
        assert close(again.state_dict()[name], tensor), name


@pytest.mark.slow
def test_two_processes_go_on_where_four_were_stopped(one: Path, four: Path, tmp_path: Path) -> None:
    handed(four / "stopped by 2x2", tmp_path / "run by 1x2")
    handed(four / "stopped by 1x4", tmp_path / "run by 2x1")
    started(tmp_path, "1x2", "2x1")
    for shape in ("1x2", "2x1"):
        assert load_file(tmp_path / f"{shape} progress.safetensors")["first"] > STOPPED_AT * BATCH
        for name, tensor in load(one / "run").state_dict().items():
            assert close(load(tmp_path / f"run by {shape}").state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("data", "features", "options", "said"),
    [
        (1, 3, {}, "64 features cannot be shared evenly by 3 ranks"),
        (3, 1, {}, "a batch of 32 activations cannot be shared evenly by 3 groups"),
        (1, 32, {"sparsifier": TopK(4)}, "k = 4 is more than the 2 features of each of 32 ranks"),
    ],
)
def test_what_does_not_come_out_even_is_refused(
    data: int, features: int, options: dict[str, Any], said: str
) -> None:
    mesh = Mesh(Axis(data), Axis(features), Axis(data * features))
    with pytest.raises(WrongUse, match=said):
        check_mesh(AutoencoderOptions(n_features=64, **options), TrainOptions(batch=32), mesh)


class Softmax(Sparsifier):
    """A sparsifier that looks at all features."""

    name = "softmax"
    elementwise = False


def test_a_sparsifier_that_looks_at_all_features_is_not_shared() -> None:
    options = AutoencoderOptions(n_features=64, sparsifier=Softmax())
    check_mesh(options, TrainOptions(batch=32), Mesh(Axis(2), Axis(1), Axis(2)))
    with pytest.raises(WrongUse, match="softmax looks at all features"):
        check_mesh(options, TrainOptions(batch=32), Mesh(Axis(1), Axis(2), Axis(2)))


def test_processes_that_are_no_grid_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with torchrun() as mesh:
        assert mesh is ALONE
    with pytest.raises(WrongUse, match="1 process cannot be put into groups of 2"), torchrun(2):
        pass
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "6")
    for n in (4, 0):
        with pytest.raises(WrongUse, match=f"6 processes cannot be put into groups of {n}"), torchrun(n):
            pass


def test_a_checkpoint_that_only_some_see_is_refused(tmp_path: Path) -> None:
    class Torn(Mesh):
        def agree(self, *flags: bool) -> tuple[bool, ...]:
            return tuple(True for _ in flags)

    with pytest.raises(MissingInput, match="not every process finds the checkpoint"):
        Workplace(tmp_path / "run", {}, Torn()).resume(
            OPTIONS, LONG, mesh_runs.Origin("", ""), torch.device("cpu")
        )
