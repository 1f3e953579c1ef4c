"""What steering costs while a model writes: tokens per second steered over unsteered, at batch 1 and 8.

    python benchmarks/steered_writing.py --run RUN --json

Two models: the built-in one with the run's dictionary, and one of GPT-2's shape (12 blocks, 124 M parameters) with
random weights and a random TopK dictionary of 24,576 features at block 6. Every other step of a text is steered, so
that both kinds of step are timed on the same texts in the same moments, and a busy machine slows both.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean, median
from time import perf_counter

import torch
from hardware import row, write
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.dictionaries.files import load
from monoscope.intervene import Add, Clamp, Rule
from monoscope.intervene.channels import SiteChange
from monoscope.intervene.steer import Rules, changes
from monoscope.models import LanguageModel, Sampling, load_model
from monoscope.models.decoding import Decoder, Request
from monoscope.models.hooks import edit
from monoscope.models.sites import Site
from monoscope.vectors import ControlVector

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
    """One that knows its activations on random tokens, around whose mean it lies as trained ones do."""
    tokens = torch.randint(2, 1000, (16, 32), generator=torch.Generator().manual_seed(0))
    (x,) = lm.activations(tokens, [site]).values()
    made = SparseAutoencoder.initialise(
        lm.d_model, AutoencoderOptions(n_features=24_576, sparsifier=TopK(32)), seed=0, site=site,
        centre=x.float().mean((0, 1)), model_hash=lm.hash,
    )  # fmt: skip
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

    def density(feature: int) -> str:
        return f"of a feature active at {float(dictionary.density[feature]):.1%}"

    steered: dict[str, Rules] = {
        "nothing": {},
        f"clamp {density(typical)}": {typical: Clamp(0.5)},
        f"clamp {density(by_density[0])}": {by_density[0]: Clamp(0.5)},
        f"addition {density(typical)}": {typical: Add(0.5)},
        "a vector": [Rule(edit=Add(value=0.5), vector=vector)],
    }
    found = []
    for what, rules in steered.items():
        plain, on = speeds(lm, changes(lm, dictionary, [rules]), batch, asked)
        found.append((what, on / plain, plain))
    return found


def speeds(
    lm: LanguageModel, steered: Mapping[Site, SiteChange], batch: int, asked: argparse.Namespace
) -> tuple[float, float]:
    """Tokens per second without and with steering: of texts of which every other step is steered."""
    prompt = lm.tokenize("Once upon a time there was").tolist()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    on = False

    def at_times(change: SiteChange) -> Callable[[Tensor], Tensor]:
        return lambda x: change(x) if on else x

    with edit(lm, {site: at_times(change) for site, change in steered.items()}):
        for repeat in range(asked.repeats + 1):
            decoder = Decoder(lm)
            for number in range(batch):
                sampling, seed = Sampling(temperature=0.8), (repeat, number)
                decoder.join(Request(prompt=prompt, n_tokens=asked.tokens, sampling=sampling, seed=seed))
            for step in range(asked.tokens):
                on = (step + repeat) % 2 == 1
                begun = perf_counter()
                decoder.step()
                # The first repeat compiles and warms up; the first step reads the prompt.
                if repeat and step:
                    seconds[on].append(perf_counter() - begun)
    return batch / usual(seconds[False]), batch / usual(seconds[True])


def usual(seconds: list[float]) -> float:
    """The mean without those in which the machine did something else, above three times the median."""
    return mean(each for each in seconds if each < 3 * median(seconds))


if __name__ == "__main__":
    main()
