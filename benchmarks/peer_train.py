"""Train one peer's dictionary on a file of activations, inside that peer's environment, and say what it took.

    ENVIRONMENT/bin/python benchmarks/peer_train.py sae-lens --activations X.npy --variant topk \
        --features 8192 --k 32 --batch 2048 --tokens 400000 --seed 0 --out dictionary.npz --json

Every peer gets the same batches in the same order. A step is timed from the moment a batch is handed to the
peer's loop to the moment it asks for the next: reading activations does not count. Memory is the highest the
process reached in training, and before it: when libraries and weights were there and the first batch was not.
``--out`` holds the weights in one form for all (see ``Trained``).
Exit code 3: the peer trains no such variant.
"""

import argparse
import json
import os
import resource
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from peer_adapters import ADAPTERS, NoSuchVariant, Trained
from torch import Tensor

VARIANTS = (
    "topk", "multi_topk", "batchtopk", "matryoshka", "relu", "april", "p_anneal", "jumprelu", "tanh", "gated"
)  # fmt: skip
"""``relu`` has directions of norm 1, ``april`` of any norm; ``p_anneal`` prices powers of activity; ``jumprelu`` prices
the number of active features and ``tanh`` is Anthropic's of January 2025."""
HELD_OUT = 8192
"""Rows at the end of the file that are kept from training, or a tenth of it where that is less."""
WARM_UP = 5
"""Steps that are not counted, or a fifth of them where that is less."""
ROWS = 1024
"""Rows that are evaluated at a time."""


class Activations:
    """The rows of an .npy file, read as they are needed: a mapped file would count as the trainer's memory."""

    def __init__(self, path: Path) -> None:
        header = np.load(path, mmap_mode="r")
        self.offset, self.dtype, (n_rows, self.d_model) = header.offset, header.dtype, header.shape
        self.held_out = min(HELD_OUT, n_rows // 10)
        self.n_train = n_rows - self.held_out
        self.file = os.open(path, os.O_RDONLY)
        self.epoch, self.order = -1, np.empty(0, np.int64)

    def rows(self, numbers: np.ndarray) -> Tensor:
        """The rows of these numbers, in float32."""
        width = self.d_model * self.dtype.itemsize
        read = b"".join(os.pread(self.file, width, self.offset + int(row) * width) for row in numbers)
        found = np.frombuffer(bytearray(read), self.dtype).reshape(len(numbers), self.d_model)
        return torch.from_numpy(found.astype(np.float32, copy=False))

    def batch(self, number: int, size: int, seed: int) -> Tensor:
        """Training batch ``number``: rows in an order of the seed's, another in each epoch."""
        chosen = []
        for place in range(number * size, (number + 1) * size):
            if place // self.n_train != self.epoch:
                self.epoch = place // self.n_train
                self.order = np.random.default_rng([seed, self.epoch]).permutation(self.n_train)
            chosen.append(self.order[place % self.n_train])
        return self.rows(np.array(chosen))

    def held(self) -> Iterator[Tensor]:
        """The rows that were not trained on, in blocks."""
        for start in range(self.n_train, self.n_train + self.held_out, ROWS):
            yield self.rows(np.arange(start, min(start + ROWS, self.n_train + self.held_out)))


class Batches:
    """Training batches, and the seconds that whoever takes them spent on each."""

    def __init__(self, activations: Activations, asked: Namespace) -> None:
        self.activations, self.asked = activations, asked
        self.number, self.handed, self.seconds, self.memory_before = 0, None, [], 0

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Tensor:
        if self.handed is not None:
            self.seconds.append(time.perf_counter() - self.handed)
            self.handed = None
        self.memory_before = self.memory_before or peak_memory()
        if self.number == self.asked.steps:
            raise StopIteration
        batch = self.activations.batch(self.number, self.asked.batch, self.asked.seed)
        self.number += 1
        self.handed = time.perf_counter()
        return batch


def codes_of(trained: Trained, x: Tensor, k: int) -> Tensor:
    """Dense codes, from the weights alone."""
    held = trained.tensors
    pre = (x - held["bias"] if trained.centred else x) @ held["encoder"] + held["encoder_bias"]
    if trained.activation == "topk":
        best = pre.topk(k)
        return torch.zeros_like(pre).scatter(-1, best.indices, best.values.relu())
    if trained.activation == "jumprelu":
        return pre.relu() * (pre > held["thresholds"])
    if trained.activation == "gated":
        magnitudes = (pre - held["encoder_bias"]) * held["magnitude_scale"] + held["magnitude_bias"]
        return magnitudes.relu() * (pre > 0)
    return pre.relu()


@torch.no_grad()
def evaluated(trained: Trained, activations: Activations, k: int) -> dict[str, float]:
    """FVU, L0 and the share of features that are never active, on the rows held out.

    ``difference`` is the squared distance between the peer's reconstruction and that of the written weights,
    over the variance: it is near 0 where the file says what the peer learnt. ``own_fvu`` is that of the peer's
    own reconstruction.
    """
    total = torch.cat(list(activations.held())).double()
    variance = float((total - total.mean(0)).square().sum())
    missed = missed_own = apart = active = 0.0
    alive = torch.zeros(len(trained.tensors["decoder"]), dtype=torch.bool)
    for x in activations.held():
        codes = codes_of(trained, x, k)
        x_hat = codes @ trained.tensors["decoder"] + trained.tensors["bias"]
        missed += float((x - x_hat).double().square().sum())
        own = trained.reconstruct(x)
        missed_own += float((x - own).double().square().sum())
        apart += float((x_hat - own).double().square().sum())
        active += float((codes > 0).sum())
        alive |= (codes > 0).any(0)
    return {
        "fvu": missed / variance,
        "own_fvu": missed_own / variance,
        "l0": active / len(total),
        "dead_share": 1 - float(alive.float().mean()),
        "difference": apart / variance,
        "held_out": len(total),
    }


def peak_memory() -> int:
    """The most bytes that this process has held; Linux's ``ru_maxrss`` would count its parent's as well."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def write_dictionary(trained: Trained, k: int, path: Path) -> None:
    """The weights and how to encode with them, as one .npz."""
    arrays = {name: tensor.detach().float().contiguous().numpy() for name, tensor in trained.tensors.items()}
    np.savez(path, **arrays, activation=trained.activation, centred=trained.centred, k=k)


def arguments_of(adapters: dict[str, Callable[..., Trained]], told: list[str] | None) -> Namespace:
    """What was asked for; ``steps`` and ``d_model`` are filled in from it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peer", choices=adapters)
    parser.add_argument("--activations", type=Path, required=True, help="an .npy of shape [rows, d_model]")
    parser.add_argument("--variant", choices=VARIANTS, default="topk")
    parser.add_argument("--features", type=int, required=True)
    parser.add_argument(
        "--k",
        type=int,
        default=32,
        help="of topk, batchtopk, matryoshka; a target of other variants where there is one",
    )
    parser.add_argument("--coefficient", type=float, help="price of activity; by default the peer's")
    parser.add_argument(
        "--learning-rate", type=float, help="peak of the common setting; by default the peer's own setting"
    )
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of its products")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", dest="options",
                        help="a setting of the peer's own, by its name there")  # fmt: skip
    parser.add_argument("--out", type=Path, help="write the weights here, as .npz")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    asked = parser.parse_args(told)
    pairs = [option.partition("=")[::2] for option in asked.options]
    asked.options = {name: value_of(value) for name, value in pairs}
    asked.steps = ceil(asked.tokens / asked.batch)
    return asked


def value_of(told: str) -> Any:
    """A number, true or false where it reads as one; otherwise the text."""
    try:
        return json.loads(told)
    except ValueError:
        return told


def main(adapters: dict[str, Callable[..., Trained]] = ADAPTERS, told: list[str] | None = None) -> None:
    """Train, evaluate, write."""
    asked = arguments_of(adapters, told)
    # Peers' libraries ask whether optional packages are there: a benchmark of such a name would be taken for one.
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]
    activations = Activations(asked.activations)
    asked.d_model = activations.d_model
    torch.manual_seed(asked.seed)
    batches = Batches(activations, asked)
    try:
        with redirect_stdout(sys.stderr):
            trained = adapters[asked.peer](asked, batches)
    except NoSuchVariant as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    torch.set_float32_matmul_precision("highest")  # A peer may have left it lower.
    counted = batches.seconds[min(WARM_UP, len(batches.seconds) // 5) :]
    record = {
        **{name: value for name, value in vars(asked).items() if name not in ("activations", "out", "json")},
        "version": trained.version,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "changed": trained.changed,
        "seconds_per_step": median(counted),
        "seconds": batches.seconds,
        "peak_memory": peak_memory(),
        "memory_before": batches.memory_before,
        **evaluated(trained, activations, asked.k),
    }
    if asked.out:
        write_dictionary(trained, asked.k, asked.out)
    if asked.json:
        print(json.dumps(record))
    else:
        told = {name: record[name] for name in ("seconds_per_step", "peak_memory", "fvu", "l0", "dead_share")}
        print(f"{asked.peer} {trained.version}", *(f"{name} {value:.4g}" for name, value in told.items()))


if __name__ == "__main__":
    main()
