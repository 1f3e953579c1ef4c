"""What steering costs while a model writes: tokens per second steered over unsteered, at batch 1 and 8.

    python benchmarks/steered_writing.py --run RUN --json

Two models: the built-in one with the run's dictionary, and one of GPT-2's shape (12 blocks, 124 M parameters) with
random weights and a random TopK dictionary of 24,576 features at block 6. Steered and unsteered take turns within a
repeat, and the median over repeats of their quotient is told, so that a busy machine slows both.
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from hardware import row, write
from transformers import GPT2Config, GPT2LMHeadModel

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.dictionaries.files import load
from monoscope.intervene import Add, Clamp, Edit, Rule, steer
from monoscope.models import LanguageModel, Sampling, load_model
from monoscope.models.decoding import Request, continue_tokens
from monoscope.vectors import ControlVector

Steered = Callable[[], AbstractContextManager[None]]
TARGET = ">= 0.97"


def main() -> None:
    """Write with and without."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a run that has its dictionary")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, as always")
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args()
    rows = []
    builtin = load_model("builtin")
    subjects = [("built-in", builtin, load(asked.run / "dictionary"))]
    with tempfile.TemporaryDirectory() as folder:
        lm = gpt2_shaped(Path(folder), builtin)
        subjects.append(("GPT-2 shape", lm, random_dictionary(lm, "blocks.6.resid_post")))
        for name, lm, dictionary in subjects:
            for batch in (1, 8):
                for what, share, speed in shares(lm, dictionary, batch, asked):
                    target = TARGET if what != "nothing" else ""
                    rows.append(row(f"{name}, batch {batch}: {what}, of unsteered tokens/s", share, target))
                    rows[-1]["unsteered_tokens_per_second"] = round(speed, 1)
    write(rows, tokens=asked.tokens, repeats=asked.repeats)


def gpt2_shaped(folder: Path, like: LanguageModel) -> LanguageModel:
    """GPT-2's smallest shape with random weights, and the tokenizer of another model."""
    torch.manual_seed(0)
    config = GPT2Config(bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(folder)
    like.tokenizer.save_pretrained(folder)
    return load_model(folder)


def random_dictionary(lm: LanguageModel, site: str) -> SparseAutoencoder:
    """One that knows its activations on random tokens."""
    made = SparseAutoencoder.initialise(
        lm.d_model, AutoencoderOptions(n_features=24_576, sparsifier=TopK(32)), seed=0, site=site,
        model_hash=lm.hash,
    )  # fmt: skip
    tokens = torch.randint(2, 1000, (16, 32), generator=torch.Generator().manual_seed(0))
    (x,) = lm.activations(tokens, [site]).values()
    codes = made.encode(x.float())
    made.max_activation.copy_(codes.amax((0, 1)))
    made.density.copy_((codes > 0).float().mean((0, 1)))
    return made


def shares(
    lm: LanguageModel, dictionary: SparseAutoencoder, batch: int, asked: argparse.Namespace
) -> list[tuple[str, float, float]]:
    """Name of a steering, its tokens/s over the unsteered, and the unsteered tokens/s."""
    by_density = dictionary.density.argsort(descending=True).tolist()
    typical = next(each for each in by_density if dictionary.density[each] < 0.02)
    vector = ControlVector(directions={lm.n_blocks // 2: torch.ones(lm.d_model)}, d_model=lm.d_model)

    def features(edit: Edit, feature: int) -> Steered:
        return lambda: steer(lm, dictionary, {feature: edit})

    def density(feature: int) -> str:
        return f"of a feature active at {float(dictionary.density[feature]):.1%}"

    steered: dict[str, Steered] = {
        "nothing": lambda: nullcontext(),
        f"clamp {density(typical)}": features(Clamp(0.5), typical),
        f"clamp {density(by_density[0])}": features(Clamp(0.5), by_density[0]),
        f"addition {density(typical)}": features(Add(0.5), typical),
        "a vector": lambda: steer(lm, None, [Rule(edit=Add(value=0.5), vector=vector)]),
    }
    prompt = lm.tokenize("Once upon a time there was").tolist()
    requests = [
        Request(prompt=prompt, n_tokens=asked.tokens, sampling=Sampling(temperature=0.8), seed=(1, number))
        for number in range(batch)
    ]

    def seconds(block: Steered) -> float:
        with block():
            begun = perf_counter()
            continue_tokens(lm, requests)
            return perf_counter() - begun

    def quotient(block: Steered) -> float:
        before, during, after = seconds(steered["nothing"]), seconds(block), seconds(steered["nothing"])
        return (before + after) / 2 / during

    for block in steered.values():
        seconds(block)
    found = [(what, median(quotient(block) for _ in range(asked.repeats))) for what, block in steered.items()]
    fastest = batch * asked.tokens / min(seconds(steered["nothing"]) for _ in range(3))
    return [(what, share, fastest) for what, share in found]


if __name__ == "__main__":
    main()
