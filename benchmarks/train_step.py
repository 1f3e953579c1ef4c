"""A TopK training step of ours beside those of the peers, and beside the bare product that is their floor.

    python benchmarks/train_step.py > train_step.json
    python benchmarks/train_step.py --quick --peers eai-sparsify > train_step.json

The same planted activations for all, in the same order, each contestant in a process of its own, one after
another. The peers' environments are made at the first call (``peer_environments.py``). Peers run in float32,
their default, and in bfloat16 where they can; ours chooses by itself. As a contestant, ours is this program:

    python benchmarks/train_step.py monoscope --activations X.npy --features 8192 --tokens 400000 --json
"""

import argparse
import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import peer_train
import torch
from encoder_product import encoder_product
from hardware import row, write
from peer_adapters import ADAPTERS, SHARES, NoSuchVariant, Trained
from peer_environments import ENVIRONMENTS, PEERS, NotInstalled, environment
from torch import Tensor

if TYPE_CHECKING:
    from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder
    from monoscope.train import TrainOptions

SIZES = ((512, 8192, 2048, 32), (768, 24_576, 2048, 32))
"""Width, features, batch and k."""
QUICK = ((32, 256, 64, 8),)
"""To see that all of it runs."""
TOKENS = 204_800
"""Training tokens of a contestant: a hundred steps."""
DIRECTIONS = 0.5
"""Planted directions for each feature of the dictionary."""
NOISE = 0.05
"""Share of the variance that is noise, which no dictionary explains."""


def planted_activations(path: Path, d_model: int, n_directions: int, n_rows: int, active: int) -> None:
    """Write sparse sums of unit directions plus noise, with ``E|x|^2 = d_model``; always the same.

    Each row adds ``active`` directions, the n-th of which is drawn in proportion to 1 / (n + 10), with
    magnitudes between 0.5 and 1.5.
    """
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(n_directions, d_model, generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    shares = 1 / (torch.arange(n_directions) + 10.0)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, d_model))
    factor = None
    for start in range(0, n_rows, 4096):
        shape = (min(4096, n_rows - start), active)
        chosen = torch.multinomial(shares, shape[0] * active, replacement=True, generator=generator)
        magnitudes = 0.5 + torch.rand(shape, generator=generator)
        x = torch.nn.functional.embedding_bag(
            chosen.reshape(shape), directions, per_sample_weights=magnitudes, mode="sum"
        )
        spread = float(x.var(0).mean()) ** 0.5 * (NOISE / (1 - NOISE)) ** 0.5
        x += spread * torch.randn(x.shape, generator=generator)
        factor = factor or float((d_model / x.square().sum(1).mean()) ** 0.5)
        file[start : start + len(x)] = (x * factor).numpy()
    file.flush()


class HandedOut:
    """A stream of the batches that every contestant gets; the clock runs on the first pass over them."""

    def __init__(self, asked: Namespace, batches: peer_train.Batches) -> None:
        self.asked, self.clocked, self.activations = asked, batches, batches.activations
        self.d_model = asked.d_model

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Tensor]:
        """Batches of training rows, from number ``start`` on."""
        if not self.clocked.number:
            yield from self.clocked
        number = start
        while True:
            yield self.activations.batch(number, size, seed)
            number += 1

    def sample(self, n: int, seed: int) -> Tensor:
        """``n`` training rows."""
        return self.activations.rows(np.random.default_rng(seed).permutation(self.activations.n_train)[:n])


def ours(asked: Namespace, batches: peer_train.Batches) -> Trained:
    """``monoscope.train.train``, with our defaults; of every variant with a price, ``k`` is the target of L0."""
    from monoscope.train import train

    asked.dtype = "bfloat16 where that is fast"
    if asked.coefficient is not None:
        raise SystemExit("monoscope turns the price of activity by itself: give --k")
    options, training = composed(asked)
    own = train(HandedOut(asked, batches), options, training)
    tensors = {name: getattr(own, name) for name in ("encoder", "encoder_bias", "decoder", "bias")}
    activation = options.sparsifier.name
    if activation == "batch_topk":
        activation, tensors["thresholds"] = "jumprelu", own.own["threshold"].expand(asked.features)
    elif activation == "jumprelu":
        tensors["thresholds"] = own.own["log_threshold"].exp()
    elif activation == "gated":
        tensors |= {"encoder_bias": own.own["gate_bias"], "magnitude_bias": own.own["magnitude_bias"]}
        tensors["magnitude_scale"] = own.own["log_scale"].exp()
    return Trained(version("monoscope"), activation, tensors, True, own)


def composed(asked: Namespace) -> tuple["AutoencoderOptions", "TrainOptions"]:
    """Our options for each variant: a sparsifier, an objective, and whether directions keep norm 1."""
    from monoscope.dictionaries import AutoencoderOptions, BatchTopK, Gated, JumpReLU, ReLU, TopK
    from monoscope.train import Objective, Power, Tanh, TrainOptions

    k, priced = asked.k, Objective(target_l0=asked.k)
    widths = tuple(sum(SHARES[: level + 1]) for level in range(len(SHARES)))
    variants = {
        "topk": (TopK(k), Objective()),
        "multi_topk": (TopK(k), Objective(also_k=4)),
        "batchtopk": (BatchTopK(k), Objective()),
        "matryoshka": (BatchTopK(k), Objective(matryoshka=widths)),
        "relu": (ReLU(), priced),
        "april": (ReLU(), priced),
        "p_anneal": (ReLU(), Objective(penalty=Power(), target_l0=k)),
        "jumprelu": (JumpReLU(), priced),
        "tanh": (JumpReLU(), Objective(penalty=Tanh(), target_l0=k)),
        "gated": (Gated(), priced),
    }
    if asked.variant not in variants:
        raise NoSuchVariant(f"monoscope trains no {asked.variant} dictionary")
    sparsifier, objective = variants[asked.variant]
    settings: dict[str, Any] = {"n_tokens": asked.tokens, "batch": asked.batch, "seed": asked.seed}
    settings |= {"objective": objective, "unit_norm": asked.variant != "april"}
    settings["learning_rate"] = asked.learning_rate
    return AutoencoderOptions(n_features=asked.features, sparsifier=sparsifier), TrainOptions(
        **settings | asked.options
    )


@torch.no_grad()
def transcribed(weights: Path) -> "SparseAutoencoder":
    """The dictionary of an .npz that ``peer_train.py`` wrote.

    Where ``bias`` is not subtracted from what the encoder reads, subtracting it is made up for in the biases.
    """
    from monoscope.dictionaries import AutoencoderOptions, Gated, JumpReLU, ReLU, SparseAutoencoder, TopK

    with np.load(weights) as file:
        held = {name: torch.from_numpy(file[name]) for name in file if file[name].dtype.kind == "f"}
        activation, centred, k = str(file["activation"]), bool(file["centred"]), int(file["k"])
    encoder, encoder_bias = held["encoder"], held["encoder_bias"]
    shift = torch.zeros_like(encoder_bias) if centred else held["bias"] @ encoder
    own: dict[str, torch.Tensor] = {}
    if activation == "jumprelu":
        own["log_threshold"] = held["thresholds"].clamp(min=1e-30).log()
    if activation == "gated":
        scale = held["magnitude_scale"]
        own = {"gate_bias": encoder_bias + shift, "log_scale": scale.log()}
        own["magnitude_bias"] = held["magnitude_bias"] + scale * shift
        encoder_bias, shift = torch.zeros_like(shift), torch.zeros_like(shift)
    sparsifier = {"topk": TopK(k), "relu": ReLU(), "jumprelu": JumpReLU(), "gated": Gated()}[activation]
    return SparseAutoencoder(
        AutoencoderOptions(n_features=encoder.shape[1], sparsifier=sparsifier),
        encoder=encoder,
        encoder_bias=encoder_bias + shift,
        decoder=held["decoder"],
        bias=held["bias"],
        own=own,
    )


def contest(
    name: str, size: tuple[int, ...], activations: Path, asked: Namespace, dtype: str
) -> dict[str, Any]:
    """One contestant's record; where it could not run, its ``error``."""
    _, n_features, batch, k = size
    here = Path(__file__)
    told = {"activations": activations, "features": n_features, "k": k, "batch": batch, "dtype": dtype}
    told |= {"tokens": n_tokens(asked, batch)}
    arguments = [text for option, value in told.items() for text in (f"--{option}", str(value))]
    record = {"contestant": name if name == "monoscope" else f"{name} {PEERS[name].version} {dtype}"}
    try:
        program = [sys.executable, here] if name == "monoscope" else [
            environment(name, asked.environments), here.with_name("peer_train.py")
        ]  # fmt: skip
    except NotInstalled as error:
        return record | {"error": str(error)}
    done = subprocess.run([*map(str, program), name, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode:
        return record | {"error": (done.stderr.strip().splitlines() or ["no word"])[-1]}
    return record | json.loads(done.stdout.splitlines()[-1])


def n_tokens(asked: Namespace, batch: int) -> int:
    """Training tokens of a contestant."""
    return asked.tokens or (60 * batch if asked.quick else TOKENS)


def table(records: list[dict[str, Any]], product: float) -> None:
    """Print the contestants of one size, ours first, on stderr."""
    first = records[0].get("seconds_per_step", float("nan"))
    heads = ("ms a step", "x product", "x ours", "MiB", "FVU", "L0", "dead")
    print(f"\n{'':<36}" + "".join(f"{head:>11}" for head in heads), file=sys.stderr)
    print(f"{'bf16 encoder product':<36}{product * 1000:>11.2f}", file=sys.stderr)
    for record in records:
        if "error" in record:
            print(f"{record['contestant']:<36} {record['error']}", file=sys.stderr)
            continue
        seconds = record["seconds_per_step"]
        cells = [f"{seconds * 1000:.2f}", f"{seconds / product:.2f}", f"{seconds / first:.2f}"]
        cells += [f"{record['peak_memory'] / 2**20:.0f}", f"{record['fvu']:.4f}", f"{record['l0']:.1f}"]
        cells += [f"{record['dead_share']:.3f}"]
        print(f"{record['contestant']:<36}" + "".join(f"{cell:>11}" for cell in cells), file=sys.stderr)


def compared(records: list[dict[str, Any]], product: float, what: str) -> list[dict[str, Any]]:
    """Ours against the floor, against the fastest and the slow peers, and against the best FVU."""
    mine, *peers = records
    if "error" in mine:
        return []
    seconds = mine["seconds_per_step"]
    rows = [row(f"{what}: a step, in bf16 products", seconds / product, "<= 2.0")]
    ran = [record for record in peers if "error" not in record]
    for bound, names in ((5, ADAPTERS), (15, ("sae-lens",)), (15, ("dictionary-learning",))):
        theirs = [record["seconds_per_step"] for record in ran if record["peer"] in names]
        if theirs:
            which = "the fastest peer" if names is ADAPTERS else names[0]
            rows.append(row(f"{what}: a step of {which}, in ours", min(theirs) / seconds, f">= {bound}"))
    if ran:
        lowest = min(record["fvu"] for record in ran)
        rows.append(row(f"{what}: FVU, in the lowest of a peer's", mine["fvu"] / lowest, "<= 1.0"))
    return rows


def main() -> None:
    """Make the activations, let each contestant train, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a small size and few steps")
    parser.add_argument("--tokens", type=int, help=f"of each contestant; by default {TOKENS:,}")
    parser.add_argument("--peers", nargs="*", choices=ADAPTERS, default=list(ADAPTERS))
    parser.add_argument(
        "--dtypes", nargs="+", choices=("float32", "bfloat16"), default=["float32", "bfloat16"]
    )
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="FOLDER")
    asked = parser.parse_args()
    rows, everything = [], []
    with tempfile.TemporaryDirectory() as folder:
        for size in QUICK if asked.quick else SIZES:
            d_model, n_features, batch, k = size
            activations = Path(folder) / f"{d_model}.npy"
            n_rows = n_tokens(asked, batch) + peer_train.HELD_OUT
            planted_activations(activations, d_model, int(n_features * DIRECTIONS), n_rows, k // 2)
            product = encoder_product(batch, d_model, n_features)
            entries = [("monoscope", "float32")] + [(p, dtype) for p in asked.peers for dtype in asked.dtypes]
            records = [contest(name, size, activations, asked, dtype) for name, dtype in entries]
            activations.unlink()
            table(records, product)
            found = compared(records, product, f"d {d_model} x {n_features:,}")
            # The targets are for the real sizes.
            rows += [{"what": r["what"], "ours": r["ours"]} for r in found] if asked.quick else found
            everything.append({"size": size, "product_seconds": product, "contestants": records})
    write(rows, sizes=everything)


if __name__ == "__main__":
    if sys.argv[1:2] == ["monoscope"]:
        peer_train.main({"monoscope": ours})
    else:
        main()
