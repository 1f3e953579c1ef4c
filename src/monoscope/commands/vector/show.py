"""``monoscope vector show``: what a vector is, how well it reads, what it is made of."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import tyro

from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.vector.place import Found, Model, Run, Subject, Vector, described, find_vector
from monoscope.commands.vector.table import block_records, block_table
from monoscope.errors import WrongUse
from monoscope.manifest import is_complete
from monoscope.vectors import ControlVector, in_features, reading
from monoscope.vectors.written import block_written

BAR = 12
"""Characters of the longest bar beside a token."""


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Say where a vector comes from, how well it tells held-out pairs apart behind each block, and its unit.

    With --run RUN also which features of the run's dictionary it is made of; with --text TEXT what it reads there.
    """

    vector: Vector
    """A folder, a file .npz or .gguf, or with --run the name of a vector of the run."""
    run: Run = None
    """Folder of a run: its dictionary takes the vector apart, and its model reads the text."""
    model: Model = ""
    """Instead of a run, the model that reads the text: builtin, a folder, or a Hugging Face id."""
    text: Annotated[str, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")] = ""
    """A text to read along the vector, token by token."""
    block: Annotated[int | None, tyro.conf.arg(metavar="BLOCK", help_behavior_hint="")] = None
    """Behind which block the text is read; the best one unless given."""
    limit: int = 10
    """Features at most."""


def show(options: ShowOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Describe a vector.

    Returns:
        ``vector``, ``name``, ``hash``, ``unit``, ``model``, ``model_hash``, ``d_model``, ``n_blocks``, ``method``,
        ``provenance``, ``recommended``, ``blocks`` (records), ``best_block``, ``features`` (``block``, ``explained``,
        ``chance``, ``parts``; None without a run), ``reading`` (``block``, ``tokens``, ``scores``; None without a
        text), ``notes``.
    """
    subject = Subject(options.run, options.model, reporter or Reporter())
    if options.limit < 1:
        raise WrongUse(f"--limit {options.limit} asks for no features", "give 1 or more")
    if options.block is not None and not options.text:
        raise WrongUse("a block was given and no text to read", "give --text TEXT")
    found = find_vector(options.vector, options.run)
    vector, notes = found.vector, list(found.notes)
    features = None
    if options.run is not None:
        features, said = _features(OpenRun.at(options.run, subject.reporter), vector, options.limit)
        notes += said
    return {
        **_head(found),
        "features": features,
        "reading": _reading(subject, vector, options) if options.text else None,
        "notes": notes,
    }


def _head(found: Found) -> dict[str, Any]:
    vector = found.vector
    return {
        **described(found),
        "model": vector.model_name,
        "model_hash": vector.model_hash,
        "d_model": vector.d_model,
        "n_blocks": vector.n_blocks,
        "method": vector.method,
        "provenance": dict(vector.provenance),
        "recommended": vector.recommended,
        "blocks": block_records(vector),
        "best_block": vector.best_block if vector.accuracy else None,
    }


def _features(opened: OpenRun, vector: ControlVector, n: int) -> tuple[dict[str, Any] | None, list[str]]:
    """The features that the vector is made of at the dictionary's block, or a note why that cannot be said."""
    if not is_complete(opened.folder.dictionary):
        return None, ["the run has no dictionary yet to take the vector apart"]
    dictionary = opened.dictionary
    try:
        block = block_written(dictionary)
        if block not in vector.directions:
            return None, [f"the run's dictionary is of block {block}, where the vector has no direction"]
        found = in_features(vector, dictionary, n=n)
    except WrongUse as error:
        return None, [f"what features it is made of is not known: {error.sentence}"]
    index = opened.features() if is_complete(opened.folder.features) else None
    parts = [
        {**asdict(part), **({"description": index.description(part.feature)} if index else {})}
        for part in found.parts
    ]
    explained, chance = found.parts[-1].explained, found.chance[-1]
    return {"block": block, "explained": explained, "chance": chance, "parts": parts}, []


def _reading(subject: Subject, vector: ControlVector, options: ShowOptions) -> dict[str, Any]:
    """The scores of the text's tokens behind one block."""
    block = options.block
    if block is None:
        if not vector.accuracy:
            raise WrongUse(
                "no block of this vector is known to be best",
                f"give --block, for instance {vector.blocks[0]}",
            )
        block = vector.best_block
    at = vector.at([block])
    scores = reading(
        subject.lm("a text is read by a model: give --run RUN or --model MODEL"), at, options.text
    )
    return {"block": block, "tokens": scores.tokens, "scores": scores.scores[0].tolist()}


def show_text(result: dict[str, Any]) -> str:
    """The description for people."""
    best = result["recommended"]
    model = f"{result['model'] or 'unknown'} {result['model_hash']}".strip()
    depth = f", {result['n_blocks']} blocks" if result["n_blocks"] else ""
    made = result["provenance"].get("n_pairs")
    lines = [
        f"{result['name']}: {result['method']}{f' of {made} pairs' if made else ''}, hash {result['hash']}",
        f"model: {model}, width {result['d_model']}{depth}",
        f"unit: strength 1 is one {result['unit']}",
        f"recommended strength: {'unknown' if best is None else f'{best:g}'}",
        "",
        *block_table(result["blocks"], result["best_block"]),
    ]
    if parts := result["features"]:
        lines += [
            "",
            f"behind block {parts['block']}, {len(parts['parts'])} features explain {parts['explained']:.1%} of its "
            f"squared length (of a random direction: {parts['chance']:.1%})",
            " feature  cosine  coefficient  explained  description",
        ]
        lines += [
            f"{each['feature']:>8}  {each['cosine']:+6.3f}  {each['coefficient']:+11.3f}  {each['explained']:9.1%}"
            f"  {each.get('description', '')}".rstrip()
            for each in parts["parts"]
        ]
    if read := result["reading"]:
        most = max(map(abs, read["scores"])) or 1.0
        lines += ["", f"what it reads behind block {read['block']}, in {result['unit']}s:"]
        for token, score in zip(read["tokens"], read["scores"], strict=True):
            bar = ("█" if score > 0 else "░") * round(BAR * abs(score) / most)
            lines.append(f"  {score:+7.3f}  {bar:<{BAR}}  {token!r}")
    return "\n".join([*lines, *(f"note: {note}" for note in result["notes"])])
