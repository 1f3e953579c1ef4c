"""A dictionary that is still learnt, looked at from outside: as its last checkpoint has it."""

from pathlib import Path

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.folding import folded, normalised
from monoscope.dictionaries.scaling import Scaling
from monoscope.train.checkpoint import read_checkpoint
from monoscope.train.options import TrainOptions
from monoscope.train.run import under
from monoscope.train.workplace import CHECKPOINT, training_folder


def checkpoint_written(out: Path) -> int | None:
    """When the checkpoint beside ``out`` was written, in nanoseconds; None where there is none."""
    try:
        return (training_folder(out) / CHECKPOINT).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def dictionary_so_far(
    out: Path, options: AutoencoderOptions, training: TrainOptions, *, site: str
) -> tuple[SparseAutoencoder, int] | None:
    """The dictionary as a function of unscaled activations, and the tokens that it has learnt from.

    Args:
        out: where the finished one will be.
        options: what is learnt.
        training: how.
        site: where it reads.

    Returns:
        None where there is no checkpoint: the run has just begun, or it is finished.

    Raises:
        BrokenInput: the checkpoint cannot be read.
    """
    found = read_checkpoint(training_folder(out) / CHECKPOINT)
    if found is None:
        return None
    tensors, record = found
    dictionary = SparseAutoencoder.from_tensors(options, under("dictionary.", tensors), site=site)
    reading, writing = (Scaling.from_tensors(under(f"{name}.", tensors)) for name in ("reading", "writing"))
    assert reading is not None, "every run scales what it reads"
    if not training.unit_norm:
        dictionary = normalised(dictionary)
    # The last batch may be a part of one.
    return folded(dictionary, reading, writing), min(record["step"] * training.batch, training.n_tokens)
