"""``monoscope vector export`` and ``import``: vectors as other tools hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.commands.progress import Reporter
from monoscope.commands.vector.place import (
    Folder,
    Found,
    Model,
    Name,
    Run,
    Subject,
    Vector,
    check_free,
    described,
    find_vector,
    new_place,
    read_file,
)
from monoscope.errors import MissingInput, WrongUse
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.steer import check_vector
from monoscope.vectors import ControlVector, export_gguf, export_npz, import_gguf, measured, save
from monoscope.vectors.checks import check_same_model, listed

SUFFIXES = (".gguf", ".npz")
"""Files that a vector can be written to."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Write a vector as one file: .gguf for llama.cpp, .npz for whoever has numpy.

    llama.cpp adds what the file holds, times its own scale: --control-vector-scaled FILE:0.3 does what strength 0.3
    does here. It cannot reach block 0, which a .gguf therefore lacks.
    """

    vector: Vector
    """A folder, a file .npz or .gguf, or with --run the name of a vector of the run."""
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """The file, OUT.gguf or OUT.npz."""
    run: Run = None
    """Folder of the run that the vector lies with."""
    strength: Annotated[float | None, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")] = None
    """The strength that is to be llama.cpp's 1, for .gguf; 1 unless given."""
    overwrite: bool = False
    """Replace the vector that is there."""


def export_vector(options: ExportOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Write a vector as one file.

    Returns:
        ``vector`` (where it lies), ``name``, ``hash``, ``unit``, ``recommended``, ``file``, ``format``, ``strength``
        (llama.cpp's 1; None for npz), ``blocks`` (those written), ``notes``.
    """
    out = options.out.expanduser().resolve()
    if out.suffix not in SUFFIXES:
        raise WrongUse(
            f"{out.name} is no file that a vector can be written to", "let it end in .gguf or .npz"
        )
    if out.suffix == ".npz" and options.strength is not None:
        raise WrongUse("an npz holds the vector as it is, whatever its strength", "leave --strength out")
    found = find_vector(options.vector, options.run)
    vector, notes, strength = found.vector, found.notes, None
    check_free(out, overwrite=options.overwrite)
    if not out.parent.is_dir():
        raise MissingInput(f"there is no folder {out.parent}", "make it first, or check the path")
    blocks = vector.blocks
    if out.suffix == ".npz":
        export_npz(vector, out)
    else:
        strength = 1.0 if options.strength is None else options.strength
        notes += export_gguf(vector, out, scale=strength)
        blocks = import_gguf(out)[0].blocks
    return {
        **described(found),
        "recommended": vector.recommended,
        "file": str(out),
        "format": out.suffix[1:],
        "strength": strength,
        "blocks": list(blocks),
        "notes": list(notes),
    }


def export_vector_text(result: dict[str, Any]) -> str:
    """Where the file is and how llama.cpp is given it, for people."""
    lines = [
        f"{result['name']}, {listed(result['blocks'])}: {result['file']}",
        *(f"note: {note}" for note in result["notes"]),
    ]
    if result["format"] == "gguf":
        best = result["recommended"]
        scale = "SCALE" if best is None else f"{best / result['strength']:g}"
        lines += [
            f"llama.cpp's scale 1 is strength {result['strength']:g}, in {result['unit']}s",
            f"llama-cli --control-vector-scaled {result['file']}:{scale}",
        ]
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Take up a vector from a .gguf or .npz, as a folder or with a run.

    What this program wrote comes back bit for bit. Another tool's directions are taken as they are and count in
    activations; --measure or --like counts them in mean residual norms, and the push stays what it was.
    """

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SRC")]
    """The file, SRC.gguf or SRC.npz."""
    run: Run = None
    """Folder of a run, whose model the vector must fit."""
    model: Model = ""
    """Instead of a run, the model it must fit: builtin, a folder, or a Hugging Face id."""
    name: Name = ""
    """What it is called under the run; the file's name unless given."""
    out: Folder = None
    """Folder of the vector, where it is not to lie with the run."""
    overwrite: bool = False
    """Replace the vector that is there."""
    shift: int = 0
    """Added to the number of every block of a .gguf: -1 for files of llama.cpp's own generator."""
    measure: bool = False
    """Count in the mean residual norms of ordinary beginnings of stories, which the model reads."""
    like: Annotated[str, tyro.conf.arg(metavar="VECTOR", help_behavior_hint="")] = ""
    """Count in the norms of this vector."""


def import_vector(options: ImportOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Take up a vector.

    Returns:
        ``vector`` (the folder), ``name``, ``hash``, ``unit``, ``source``, ``model``, ``method``, ``blocks``,
        ``recommended``, ``notes``.
    """
    subject = Subject(options.run, options.model, reporter or Reporter())
    source = options.source.expanduser().resolve()
    if options.measure and options.like:
        raise WrongUse("two units were asked for", "give --measure, or --like VECTOR")
    if options.measure and not subject.given:
        raise WrongUse("norms are measured on a model, and none was named", "give --run RUN or --model MODEL")
    name = options.name or (source.stem if options.out is None and options.run is not None else "")
    place = new_place(options.run, name, options.out, overwrite=options.overwrite)
    vector, notes = _read(source, options, subject)
    if options.like:
        vector = _like(vector, find_vector(options.like, options.run))
    if not vector.norms:
        notes += ("its strengths count in activations: --measure or --like counts in mean residual norms",)
    save(vector, place)
    return {
        **described(Found(vector, place.name, place)),
        "source": str(source),
        "model": vector.model_name,
        "method": vector.method,
        "blocks": list(vector.blocks),
        "recommended": vector.recommended,
        "notes": list(notes),
    }


def _read(source: Path, options: ImportOptions, subject: Subject) -> tuple[ControlVector, tuple[str, ...]]:
    """The file's vector, fitted to the model where there is one."""
    lm = subject.lm() if subject.given else None
    vector, notes = read_file(source, lm, shift=options.shift)
    if lm is None:
        return vector, notes
    check_vector(lm, vector)
    if options.measure:
        vector = measured(lm, vector, story_beginnings())
    return vector, notes


def _like(vector: ControlVector, other: Found) -> ControlVector:
    """The vector in another's norms.

    Raises:
        MismatchedArtefact: they are of different models.
        WrongUse: the other counts in no norms, or lacks one.
    """
    check_same_model(vector, model_hash=other.vector.model_hash, d_model=other.vector.d_model)
    norms: Mapping[int, float] = other.vector.norms
    if not norms:
        raise WrongUse(f"{other.name} has no norms to count in", "measure them instead: --measure")
    return vector.in_units_of(norms)


def import_vector_text(result: dict[str, Any]) -> str:
    """What was taken up, for people."""
    best = result["recommended"]
    return "\n".join(
        [
            f"{result['name']}: {result['method']}, {listed(result['blocks'])}, in {result['unit']}s"
            + ("" if best is None else f", recommended strength {best:g}"),
            *(f"note: {note}" for note in result["notes"]),
            f"vector: {result['vector']}",
        ]
    )
