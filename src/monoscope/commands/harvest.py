"""``monoscope harvest``: a model's activations on a corpus, stored."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal

import tomli_w
import tyro

from monoscope.activations.harvest import HarvestOptions, harvest
from monoscope.commands.dials import place
from monoscope.commands.progress import Reporter
from monoscope.models import load_model

SOURCE = "source.toml"
"""Names of the model and the corpus that a store was harvested from, beside its manifest, which has their hashes."""


@dataclass(frozen=True, kw_only=True)
class HarvestCommand:
    """Run a model over a corpus once and store what passes at one or several of its sites."""

    model: Annotated[str, tyro.conf.arg(metavar="MODEL")] = "builtin"
    """builtin, a folder, or a Hugging Face id."""
    corpus: Annotated[str, tyro.conf.arg(metavar="CORPUS")] = "builtin"
    """builtin, a text, JSONL or Parquet file, a folder of them, or hf:NAME."""
    site: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="SITE")]
    """Where in the model, for instance blocks.2.resid_post."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the activations."""
    tokens: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Tokens to keep, short for --harvest.n-tokens."""
    split: Literal["training", "heldout"] = "training"
    """Which side of the corpus."""
    harvest: HarvestOptions = field(default_factory=HarvestOptions)
    """How much is read, and how it is stored."""


def harvest_to(options: HarvestCommand, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Harvest, or go on with a harvest that was stopped.

    Returns:
        ``activations`` (the folder), ``model``, ``corpus``, ``sites`` (name -> width and scalar statistics),
        ``n_tokens``, ``hash``, ``seconds``.
    """
    began = monotonic()
    lm = load_model(options.model)
    sites = [str(lm.resolve(name)) for name in options.site]
    how = options.harvest if options.tokens is None else replace(options.harvest, n_tokens=options.tokens)
    out = options.out.expanduser().resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with (reporter or Reporter()).stage("harvest") as advance:
        store = harvest(
            lm, options.corpus, sites=sites, out=out, options=how, split=options.split, progress=advance
        )
    origin = {"model": place(options.model), "corpus": place(options.corpus)}
    (out / SOURCE).write_text(tomli_w.dumps(origin), encoding="utf-8")
    return {
        "activations": str(out),
        **origin,
        "sites": store.manifest.content["sites"],
        "n_tokens": store.n_tokens,
        "hash": store.hash,
        "seconds": round(monotonic() - began, 2),
    }


def harvest_to_text(result: dict[str, Any]) -> str:
    """The result for people."""
    sites = ", ".join(f"{name} (width {each['width']})" for name, each in result["sites"].items())
    return f"{result['n_tokens']:,} tokens at {sites}\nactivations: {result['activations']}"
