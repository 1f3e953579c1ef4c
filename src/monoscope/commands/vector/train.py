"""``monoscope vector train``: a control vector from pairs of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal

import tyro

from monoscope.commands.judging import prompts_of
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import FIGURE
from monoscope.commands.vector.place import Blocks, Folder, Model, Name, Subject, blocks_of, new_place
from monoscope.commands.vector.table import block_records, block_table
from monoscope.errors import WrongUse
from monoscope.explore.figures.vector import vector_svg
from monoscope.intervene.prompts import story_beginnings
from monoscope.models import LanguageModel
from monoscope.vectors import (
    METHODS,
    PAIRS,
    ContrastPair,
    ControlVector,
    contrast_pairs,
    learn_vector,
    prefixes,
    read_pairs,
    save,
    write_pairs,
)

TEMPLATE = "{persona} {suffix}"
"""How a persona is put before what it says, unless that is told."""
Personas = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")
]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Learn the direction between the two sides of pairs of texts, behind every block.

    Give the pairs themselves, --pairs FILE; or personas, --positive "You are happy." --negative "You are sad.", each of
    which is put before sixty ordinary beginnings. The vector lies at RUN/vectors/NAME, or in --out DIR.
    """

    run: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="RUN", help_behavior_hint="")] = (
        None
    )
    """Folder of a run, whose model is taken."""
    model: Model = ""
    """Instead of a run: builtin, a folder, or a Hugging Face id."""
    name: Name = ""
    """What the vector is called under the run."""
    out: Folder = None
    """Folder of the vector, where it is not to lie with the run."""
    overwrite: bool = False
    """Replace the vector that is there."""
    pairs: File = None
    """JSON lines with positive, negative and, where pairs belong together, group; or a .csv with these columns."""
    positive: Personas = ()
    """A persona that the vector points to; may be repeated."""
    negative: Personas = ()
    """Its opposite, parallel in grammar and length; as many, in the same order."""
    template: Annotated[str, tyro.conf.arg(metavar="TEXT")] = TEMPLATE
    """Where the persona and what it says go."""
    suffixes: File = None
    """What either persona goes on to say, one a line; sixty ordinary beginnings of stories unless given."""
    beginnings: bool = False
    """Read every beginning of a suffix, token by token, and not just the whole of it."""
    method: Annotated[str, tyro.conf.arg(metavar="METHOD")] = "mean_difference"
    """mean_difference, whitened, logistic, pca, pca_center or pca_diff."""
    blocks: Blocks = ()
    """Blocks that get a direction, for instance 4-10; may be repeated; all unless given."""
    held_out: float = 0.2
    """Share of the pairs that a direction is tried on; 0 measures nothing."""
    seed: int = 0
    """Seed of the split, and of the random directions it is compared with."""
    read: Literal["last", "mean"] = "last"
    """Read a text at its last token, or the mean of its tokens."""
    batch: int = 16
    """Texts that are run together."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:NUMBER."""
    dtype: str = "auto"
    """What the model computes in: auto, float32 or bfloat16."""


def train(options: TrainOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Learn a vector; it is written whole at the end, or not at all.

    Returns:
        ``vector`` (the folder), ``name``, ``hash``, ``unit``, ``model``, ``method``, ``n_pairs``, ``n_blocks``,
        ``blocks`` (records: block, length, norm, middle_half, and the reliability), ``best_block``, ``seconds``,
        ``figure`` (a path); ``best_block`` and ``figure`` are None where no pair was held out.
    """
    began = monotonic()
    reporter = reporter or Reporter()
    method = METHODS[options.method]()
    chosen = blocks_of(options.blocks)
    subject = Subject(options.run, options.model, reporter, options.device, options.dtype)
    place = new_place(options.run, options.name, options.out, overwrite=options.overwrite)
    _check_source(options)
    lm = subject.lm("give a RUN, or --model MODEL with --out DIR")
    pairs = _pairs(options, lm)
    with reporter.stage("read pairs", "texts") as advance:
        vector = learn_vector(
            lm,
            pairs,
            method=method,
            blocks=chosen,
            batch=options.batch,
            held_out=options.held_out,
            seed=options.seed,
            read=options.read,
            progress=advance,
        )
    keep(vector, pairs, place)
    return _record(vector, place, len(pairs)) | {
        "seconds": round(monotonic() - began, 2),
        "figure": str(place / FIGURE) if vector.accuracy else None,
    }


def keep(vector: ControlVector, pairs: Sequence[ContrastPair], place: Path) -> None:
    """Write a vector with the pairs that it was learnt from and, where it was measured, its figure.

    Raises:
        OutOfSpace: the disk is full.
    """
    figure = {FIGURE: vector_svg(_record(vector, place, len(pairs)))} if vector.accuracy else {}
    save(vector, place, texts=figure | {PAIRS: write_pairs(pairs)})


def _check_source(options: TrainOptions) -> None:
    """Refuse two sources of pairs, or none, and a seed that is none."""
    if options.seed < 0:
        raise WrongUse(f"--seed {options.seed} is negative", "give 0 or more")
    personas = bool(options.positive or options.negative)
    if personas == (options.pairs is not None):
        said = "pairs and personas were both given" if personas else "there are no pairs to learn from"
        raise WrongUse(said, "give --pairs FILE, or --positive TEXT with --negative TEXT")
    if not personas and (options.suffixes or options.beginnings or options.template != TEMPLATE):
        raise WrongUse("pairs of a file have neither template nor suffixes", "give --positive and --negative")


def _pairs(options: TrainOptions, lm: LanguageModel) -> list[ContrastPair]:
    """The pairs of the file, or of the personas."""
    if options.pairs is not None:
        return read_pairs(options.pairs.expanduser())
    suffixes = story_beginnings() if options.suffixes is None else prompts_of(options.suffixes.expanduser())
    if options.beginnings:
        suffixes = prefixes(lm, suffixes)
    return contrast_pairs(options.template, options.positive, options.negative, suffixes)


def _record(vector: ControlVector, place: Path, n_pairs: int) -> dict[str, Any]:
    return {
        "vector": str(place),
        "name": place.name,
        "hash": vector.hash,
        "unit": vector.unit,
        "model": vector.model_name,
        "method": vector.method,
        "n_pairs": n_pairs,
        "n_blocks": vector.n_blocks,
        "blocks": block_records(vector),
        "best_block": vector.best_block if vector.accuracy else None,
    }


def train_text(result: dict[str, Any]) -> str:
    """The table of blocks for people."""
    held = result["blocks"][0].get("n_pairs")
    measured = f"{held} of them held out" if held else "none held out: nothing was measured"
    return "\n".join(
        [
            f"{result['name']}: {result['method']} of {result['n_pairs']} pairs on {result['model']}, {measured}",
            "",
            *block_table(result["blocks"], result["best_block"]),
            "",
            f"vector: {result['vector']}",
            *([f"figure: {result['figure']}"] if result["figure"] else []),
        ]
    )
