"""The Triton kernels are the plain formulas: on a GPU, and elsewhere in Triton's interpreter.

The tests marked ``gpu`` run on a CUDA device. Without one, a single test runs the same ones in a process of its
own where ``TRITON_INTERPRET`` is set: Triton reads it once, when it is imported.
"""

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from torch import Tensor

from monoscope.errors import WrongUse

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
FLOATS = (torch.float32, torch.bfloat16)
WIDTHS = (1, 130, 768)

gpu = pytest.mark.gpu
real = pytest.mark.skipif(INTERPRETED, reason="too large for the interpreter, or not of its world")
infinity = float("inf")


@pytest.mark.skipif(not find_spec("triton"), reason="Triton is not installed")
@pytest.mark.slow
def test_kernels_are_right_in_the_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", __file__, "-m", "gpu", "-p", "no:cacheprovider"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout, done.stdout


def test_triton_is_imported_by_those_who_launch_a_kernel_alone() -> None:
    program = "import sys, monoscope.train, monoscope.dictionaries.kernels; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.fixture(scope="module")
def cuda() -> ModuleType:
    """The kernels, which cannot be imported where Triton is not."""
    pytest.importorskip("triton")
    if not INTERPRETED and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return importlib.import_module("monoscope.dictionaries.kernels.cuda")


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)


def whole(*shape: int, below: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Whole numbers, whose products are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-below, below + 1, shape, generator=generator).to(DEVICE, dtype)


def unequal_bags() -> tuple[Tensor, Tensor]:
    """Where bags of 0, 4, 0, 1, 4, 70 and 0 slots start, and the bag of each slot."""
    starts = torch.tensor([0, 0, 4, 4, 5, 9, 79], device=DEVICE)
    sizes = torch.tensor([0, 4, 0, 1, 4, 70, 0], device=DEVICE)
    return starts, torch.arange(7, device=DEVICE).repeat_interleave(sizes)


def indices_below(n_features: int, n_slots: int) -> Tensor:
    return torch.randint(n_features, (n_slots,), generator=torch.Generator().manual_seed(3)).to(DEVICE)


def close(found: Tensor, exact: Tensor) -> bool:
    torch.testing.assert_close(found, exact.to(found.dtype))
    return True


def summed(values: Tensor, indices: Tensor, rows: Tensor, places: Tensor, n_places: int) -> Tensor:
    """The dense twin of both sums, in float64."""
    zeros = torch.zeros(n_places, rows.shape[1], dtype=torch.float64, device=rows.device)
    return zeros.index_add(0, places, values.double()[:, None] * rows.double()[indices])


@gpu
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_dot_is_the_product_of_each_slot(cuda: ModuleType, width: int, dtype: torch.dtype) -> None:
    starts, owners = unequal_bags()
    x, rows, indices = random(7, width), random(11, width, dtype=dtype, seed=1), indices_below(11, 79)
    exact = (x.double()[owners] * rows.double()[indices]).sum(1)
    assert close(cuda.dot(x, rows, indices, starts), exact)
    narrow = cuda.dot(x.to(dtype), rows, indices, starts)
    assert narrow.dtype == dtype
    assert close(narrow, (x.to(dtype).double()[owners] * rows.double()[indices]).sum(1))


@gpu
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_weighted_sum_is_the_sum_over_each_bag(cuda: ModuleType, width: int, dtype: torch.dtype) -> None:
    starts, owners = unequal_bags()
    values, rows, indices = random(79), random(11, width, dtype=dtype, seed=1), indices_below(11, 79)
    found = cuda.weighted_sum(values, indices, starts, rows)
    assert found.dtype == torch.float32
    assert close(found, summed(values, indices, rows, owners, 7))
    assert not found[[0, 2, 6]].any()
    assert cuda.weighted_sum(values.to(dtype), indices, starts, rows).dtype == dtype


@gpu
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_scatter_is_the_sum_over_each_feature(cuda: ModuleType, width: int, dtype: torch.dtype) -> None:
    starts, owners = unequal_bags()
    values, x, indices = random(79), random(7, width, dtype=dtype, seed=1), indices_below(9, 79)
    found = cuda.scatter(values, indices, starts, x, 11)
    assert close(found, summed(values, owners, x, indices, 11))
    assert not found[9:].any()
    assert torch.equal(cuda.scatter(values, indices, starts, x, 11), found)


@gpu
@pytest.mark.parametrize("dtype", FLOATS)
def test_scatter_reuses_memory_and_leaves_nothing_of_it(cuda: ModuleType, dtype: torch.dtype) -> None:
    starts, owners = unequal_bags()
    values, x, indices = random(79), random(7, 33, seed=1), indices_below(9, 79)
    out = torch.full((11, 33), float("nan"), dtype=dtype, device=DEVICE)
    assert cuda.scatter(values, indices, starts, x, 11, out) is out
    assert close(out, summed(values, owners, x, indices, 11))


@gpu
@pytest.mark.parametrize("run", [8, 40, 79, 80])
@pytest.mark.parametrize("hog", [0, 10])
def test_a_feature_of_any_length_is_summed(
    cuda: ModuleType, monkeypatch: pytest.MonkeyPatch, run: int, hog: int
) -> None:
    monkeypatch.setattr(importlib.import_module("monoscope.dictionaries.kernels.cuda.sums"), "RUN", run)
    starts, owners = unequal_bags()
    values, x = random(79), random(7, 33, seed=1)
    alone = torch.full((79,), hog, device=DEVICE)
    among = alone.where(torch.arange(79, device=DEVICE) % 7 > 0, indices_below(11, 79))
    for indices in (alone, among):
        found = cuda.scatter(values, indices, starts, x, 11)
        assert close(found, summed(values, owners, x, indices, 11))


@gpu
def test_nothing_gives_nothing(cuda: ModuleType) -> None:
    none, starts = torch.zeros(0, dtype=torch.int64, device=DEVICE), torch.zeros(3, dtype=torch.int64)
    x, values = random(3, 6), random(0)
    assert cuda.dot(x, random(5, 6), none, starts.to(DEVICE)).shape == (0,)
    assert torch.equal(cuda.weighted_sum(values, none, starts.to(DEVICE), random(5, 6)), torch.zeros_like(x))
    assert not cuda.scatter(values, none, starts.to(DEVICE), x, 5).any()
    assert cuda.weighted_sum(values, none, none, random(5, 6)).shape == (0, 6)
    assert cuda.largest_products(random(0, 6), random(5, 6), random(5), 2).shape == (0, 2)


def first_of_sorted(entries: Tensor, k: int) -> Tensor:
    """The plain twin: the whole row sorted, equal entries by index."""
    ranked = entries.float().nan_to_num(nan=infinity, posinf=infinity, neginf=-infinity)
    order = ranked.sort(dim=1, descending=True, stable=True).indices
    return order[:, :k].sort(dim=1).values


@gpu
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shift", [0, -4000])
@pytest.mark.parametrize(
    ("n_features", "k"),
    [(1, 1), (33, 1), (130, 3), (130, 130), (513, 512), (1001, 100), (2048, 1), (5003, 32)],
)
def test_largest_products_are_those_of_the_sorted_row(
    cuda: ModuleType, n_features: int, k: int, shift: float, dtype: torch.dtype
) -> None:
    x, encoder = whole(2, 7, below=20, dtype=dtype), whole(n_features, 7, below=20, dtype=dtype, seed=1)
    bias = whole(n_features, below=9, seed=2) + shift
    found = cuda.largest_products(x, encoder, bias, k)
    assert torch.equal(found, first_of_sorted(torch.addmm(bias.to(dtype), x, encoder.T), k))


@gpu
@pytest.mark.parametrize("cached", [0, 2**25])
def test_rows_are_searched_in_blocks(cuda: ModuleType, monkeypatch: pytest.MonkeyPatch, cached: int) -> None:
    largest = importlib.import_module("monoscope.dictionaries.kernels.cuda.largest")
    monkeypatch.setattr(largest, "L2_BYTES", cached)
    monkeypatch.setattr(largest, "FEWEST_ROWS", 3)
    shapes: list[Any] = []
    search = largest._largest
    monkeypatch.setattr(largest, "_largest", lambda *of: shapes.append(tuple(of[0].shape)) or search(*of))
    x, encoder, bias = whole(7, 5, below=20), whole(90, 5, below=20, seed=1), whole(90, below=9, seed=2)
    found = cuda.largest_products(x.requires_grad_(), encoder.requires_grad_(), bias, 4)
    assert torch.equal(found, first_of_sorted(x @ encoder.T + bias, 4))
    assert shapes == ([(7, 90)] if cached else [(3, 90), (3, 90), (1, 90)])


@gpu
@pytest.mark.parametrize("value", [0.0, -3.0, 2.5, -infinity, infinity, float("nan")])
@pytest.mark.parametrize(("n_features", "k"), [(40, 3), (600, 5)])
def test_of_equal_entries_the_first_are_taken(
    cuda: ModuleType, value: float, n_features: int, k: int
) -> None:
    x, bias = torch.zeros(2, 4, device=DEVICE), torch.full((n_features,), value, device=DEVICE)
    found = cuda.largest_products(x, random(n_features, 4), bias, k)
    assert torch.equal(found, torch.arange(k, device=DEVICE).expand(2, k))


@gpu
@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=some.data())
def test_any_entries_are_ranked(cuda: ModuleType, dtype: torch.dtype, data: some.DataObject) -> None:
    odd = [-infinity, -2.0, -1e-30, -0.0, 0.0, 2.0**-126, 1.0, 1.0078125, infinity, float("nan")]
    row = some.lists(some.sampled_from(odd), min_size=1, max_size=150)
    entries = torch.tensor([data.draw(row)], device=DEVICE, dtype=dtype)
    k = data.draw(some.integers(1, entries.shape[1]))
    found = torch.full((1, k), -1, device=DEVICE)
    importlib.import_module(f"{cuda.__name__}.largest")._largest(entries, found)
    assert torch.equal(found, first_of_sorted(entries, k))


@gpu
def test_what_the_kernels_cannot_do_is_refused(cuda: ModuleType) -> None:
    starts, _ = unequal_bags()
    values, x, indices = random(79), random(7, 6), indices_below(9, 79)
    with pytest.raises(WrongUse, match="float64"):
        cuda.dot(x.double(), random(9, 6), indices, starts)
    with pytest.raises(WrongUse, match="float64"):
        cuda.scatter(values, indices, starts, x, 9, torch.zeros(9, 6, dtype=torch.float64, device=DEVICE))
    with pytest.raises(WrongUse, match="strides"):
        cuda.scatter(values, indices, starts, x, 9, torch.zeros(6, 9, device=DEVICE).T)
    for k in (0, 10):
        with pytest.raises(WrongUse, match=f"k = {k} of 9"):
            cuda.largest_products(x, random(9, 6), random(9), k)


@gpu
@real
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("n_features", "k"), [(65_536, 32), (262_144, 512), (100_003, 64)])
def test_large_dictionaries_are_searched(
    cuda: ModuleType, n_features: int, k: int, dtype: torch.dtype
) -> None:
    x, encoder = whole(600, 64, below=9, dtype=dtype), whole(n_features, 64, below=9, dtype=dtype, seed=1)
    bias = whole(n_features, below=9, seed=2)
    found = cuda.largest_products(x, encoder, bias, k)
    for rows in (slice(0, 40), slice(560, 600)):
        exact = torch.addmm(bias, x[rows].float(), encoder.float().T).to(dtype)
        assert torch.equal(found[rows], first_of_sorted(exact, k))


@gpu
@real
def test_the_host_waits_for_nothing(cuda: ModuleType) -> None:
    x, rows, bias = random(1024, 256), random(8192, 256, seed=1), random(8192, seed=2)
    starts = torch.arange(1024, device=DEVICE) * 32
    values = random(1024 * 32, seed=3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        indices = cuda.largest_products(x, rows, bias, 32).flatten()
        products = cuda.dot(x, rows, indices, starts)
        sums = cuda.weighted_sum(values, indices, starts, rows)
        spread = cuda.scatter(values, indices, starts, x, 8192)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    owners = torch.arange(1024, device=DEVICE).repeat_interleave(32)
    assert close(products, (x.double()[owners] * rows.double()[indices]).sum(1))
    assert close(sums, summed(values, indices, rows, owners, 1024))
    assert close(spread, summed(values, owners, x, indices, 8192))
