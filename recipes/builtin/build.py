"""Make the built-in model, its tokenizer and its corpora again, with one command.

    python recipes/builtin/build.py --corpora CORPORA --out OUT

CORPORA is a folder with ``tinystories/``, ``books/``, ``nltk/`` and ``multilingual/`` (texts.py names the
files and their licences). OUT takes ``model/`` and ``corpus/``, as ``src/monoscope/models/builtin`` holds
them, and ``report.json`` with the held-out bits per character on each kind of text beside an interpolated
5-gram model's.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from ngram import InterpolatedNgram, ngram_bits_per_character
from shipping import shipped_documents, write_corpus
from texts import Kind, real_kinds, world_kind
from tokenizer import save_tokenizer, train_tokenizer
from training import LanguageModelOptions, bits_per_character, mixed_batches, token_rows, train_model

NGRAM_TOKENS = 24_000_000
"""The 5-gram model counts at most so many tokens, in the kinds' shares: more do not fit in 24 GiB."""


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def compared(
    kinds: list[Kind], rows: dict[str, np.ndarray], model, tokenizer, options: LanguageModelOptions
) -> dict[str, dict[str, float]]:
    """Held-out bits per character of both models, kind by kind."""
    counted = [rows[kind.name][: int(NGRAM_TOKENS * kind.share / options.context)].ravel() for kind in kinds]
    ngram = InterpolatedNgram(np.concatenate(counted), vocabulary=options.vocabulary)
    table = {}
    for kind in kinds:
        texts = kind.heldout[:300]
        encoded = [np.array(tokenizer(text)["input_ids"]) for text in texts]
        table[kind.name] = {
            "model": round(bits_per_character(model, tokenizer, texts, options.context), 3),
            "5-gram": round(ngram_bits_per_character(ngram, encoded, texts), 3),
        }
        ours, theirs = table[kind.name].values()
        say(f"{kind.name:<12} {ours:>7.3f} bits/character, 5-gram {theirs:.3f}")
    return table


def main() -> None:
    """Everything, in order."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpora", type=Path, required=True, help="folder of real corpora")
    parser.add_argument("--out", type=Path, required=True, help="where model/ and corpus/ are written")
    parser.add_argument(
        "--tokens", type=int, default=LanguageModelOptions().n_tokens, help="tokens to train on"
    )
    parser.add_argument("--world", type=int, default=200_000, help="world documents to train on")
    parser.add_argument("--shipped", type=int, default=12_000, help="world documents in the shipped corpus")
    parser.add_argument(
        "--samples", type=int, default=1_500, help="samples of the model in the shipped corpus"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = LanguageModelOptions(n_tokens=arguments.tokens, seed=arguments.seed)
    started = time.monotonic()

    kinds = [world_kind(arguments.world, seed=1000 + arguments.seed), *real_kinds(arguments.corpora)]
    say(f"texts read and written after {time.monotonic() - started:.0f} s")
    tokenizer = train_tokenizer(
        (text for kind in kinds for text in kind.training[: 12_000 if kind.name == "world" else 3_000]),
        options.vocabulary,
    )
    rows = {kind.name: token_rows(kind.training, tokenizer, options.context) for kind in kinds}
    say("   ".join(f"{name} {part.size:,} tokens" for name, part in rows.items()))
    save_tokenizer(tokenizer, arguments.out / "model")
    model = train_model(
        mixed_batches(rows, kinds, options),
        options,
        device,
        say,
        lambda part: part.save_pretrained(arguments.out / "model"),
    )
    trained = time.monotonic() - started
    say(f"trained after {trained:.0f} s")

    model.to(torch.bfloat16).save_pretrained(arguments.out / "model")
    (arguments.out / "corpus").mkdir(parents=True, exist_ok=True)
    counts = {
        name: write_corpus(
            shipped_documents(
                model, tokenizer, n_world=n_world, n_samples=n_samples, seed=seed, heldout=name == "heldout"
            ),
            arguments.out / "corpus" / f"{name}.jsonl.gz",
        )
        for name, n_world, n_samples, seed in (
            ("training", arguments.shipped, arguments.samples, 2000 + arguments.seed),
            ("heldout", arguments.shipped // 6, arguments.samples // 6, 3000 + arguments.seed),
        )
    }
    table = compared(kinds, rows, model.float(), tokenizer, options)
    report = {
        "options": asdict(options), "parameters": model.num_parameters(), "device": device,
        "seconds": round(time.monotonic() - started), "seconds_to_trained": round(trained), "documents": counts,
        "training_tokens": {name: int(part.size) for name, part in rows.items()}, "bits_per_character": table,
    }  # fmt: skip
    (arguments.out / "report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
