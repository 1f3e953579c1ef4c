"""The options that most runs need, under short names; a recipe has them all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.commands.recipe import Recipe
from monoscope.dictionaries import SPARSIFIERS
from monoscope.errors import WrongUse


def _shown(metavar: str, default: str) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})" if default else "")


_RECIPE = Recipe()


@dataclass(frozen=True, kw_only=True)
class Dials:
    """What is not given is as in the recipe, or as in the run that is gone on with, or has its default."""

    model: Annotated[str | None, _shown("MODEL", _RECIPE.model)] = None
    """builtin, a folder, or a Hugging Face id."""
    corpus: Annotated[str | None, _shown("CORPUS", _RECIPE.corpus)] = None
    """builtin, a text, JSONL or Parquet file, a folder of them, or hf:NAME."""
    site: Annotated[str | None, _shown("SITE", "resid_post of the middle block")] = None
    """Where in the model, for instance blocks.2.resid_post."""
    n_features: Annotated[int | None, _shown("N", f"{_RECIPE.dictionary.n_features}")] = None
    """Directions in the dictionary."""
    sparsifier: Annotated[str | None, _shown("|".join(SPARSIFIERS), "topk")] = None
    """What makes codes sparse."""
    k: Annotated[int | None, _shown("K", "32")] = None
    """Features kept for each token, for topk and batch_topk."""
    l1: Annotated[float | None, _shown("WEIGHT", "1.5")] = None
    """Weight of the sparsity penalty, for relu."""
    l0: Annotated[float | None, _shown("N", "")] = None
    """Features wanted active on a token, for what is sparse by a penalty: its weight is turned until they are."""
    tokens: Annotated[int | None, _shown("N", f"{_RECIPE.training.n_tokens}")] = None
    """Training tokens; fewer are harvested when this is less than the harvest."""
    seed: Annotated[int | None, _shown("SEED", "0")] = None
    """One seed for everything that is drawn."""


SEEDED = ("training", "index", "evaluation", "showcase")
"""Tables of a recipe that hold a seed."""


def turned(recipe: Recipe, dials: Dials) -> Recipe:
    """A recipe with the dials that were given.

    Raises:
        WrongUse: a dial has a value that it cannot have, or is none of that sparsifier's.
    """
    table = recipe.to_table()
    given = {"model": place(dials.model), "corpus": place(dials.corpus), "site": dials.site}
    table |= {name: value for name, value in given.items() if value is not None}
    turn_dictionary(table, dials)
    if dials.tokens is not None:
        if dials.tokens < 1:
            raise WrongUse(f"--tokens {dials.tokens} trains nothing", "give 1 or more")
        table["training"]["n_tokens"] = dials.tokens
        table["harvest"]["n_tokens"] = min(table["harvest"]["n_tokens"], dials.tokens)
    if dials.seed is not None:
        if dials.seed < 0:
            raise WrongUse(f"--seed {dials.seed} is negative", "give 0 or more")
        for name in SEEDED:
            table[name]["seed"] = dials.seed
    return Recipe.from_table(table, "the recipe")


def turn_dictionary(table: dict[str, Any], dials: Dials) -> None:
    """The dials of the dictionary, and of what makes it sparse."""
    if dials.n_features is not None:
        table["dictionary"]["n_features"] = dials.n_features
    if dials.sparsifier is not None and dials.sparsifier != table["dictionary"]["sparsifier"]["name"]:
        table["dictionary"]["sparsifier"] = {"name": dials.sparsifier}
        table["training"]["objective"].pop("penalty", None)
    if dials.k is not None:
        table["dictionary"]["sparsifier"]["k"] = dials.k
    if dials.l1 is not None:
        table["training"]["objective"]["penalty"] = {"name": "l1", "weight": dials.l1}
    if dials.l0 is not None:
        table["training"]["objective"]["target_l0"] = dials.l0


def place(name: str | None) -> str | None:
    """A model or corpus as a run remembers it: a path from anywhere, other names as they are."""
    if name is None or name == "builtin" or name.startswith("hf:") or not Path(name).expanduser().exists():
        return name
    return str(Path(name).expanduser().resolve())
