"""What a run needs of a device's memory, said before it is taken."""

import os
from pathlib import Path

import torch

from monoscope.errors import OutOfMemory
from monoscope.train.coding import ENTRIES

PARAMETER = 12
"""Bytes of a parameter: itself and Adam's two moments, in float32."""
HALF = 2
"""Bytes of an encoder's number in the copy that features are selected with."""


def bytes_of_feature(d_in: int, d_out: int) -> int:
    """Memory for one feature while it is learnt: encoder, decoder, their moments, and the encoder's copy."""
    return PARAMETER * (d_in + d_out + 1) + HALF * d_in


def check_memory(n_features: int, d_in: int, d_out: int, device: torch.device) -> None:
    """Refuse features that the device cannot hold while they are learnt.

    Raises:
        OutOfMemory: it cannot; the hint says how many features it can.
    """
    free, fixed = free_bytes(device), 2 * HALF * ENTRIES
    needed = fixed + n_features * bytes_of_feature(d_in, d_out)
    if needed > free:
        fitting = max(0, free - fixed) // bytes_of_feature(d_in, d_out)
        raise OutOfMemory(
            f"learning {n_features:,} features of width {d_in} takes {needed / 2**30:.1f} GiB, and "
            f"{device.type} has {free / 2**30:.1f} GiB free",
            f"about {fitting:,} features fit; or share them among more machines with torchrun",
        )


def free_bytes(device: torch.device) -> int:
    """Memory of the device that nobody uses."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_PAGE_SIZE") * available_pages()


def available_pages() -> int:
    """Pages of main memory that can be had without swapping; all of them where the system does not say."""
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        lines = dict(line.split(":") for line in told.splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024 // os.sysconf("SC_PAGE_SIZE")
    except (OSError, KeyError):
        return os.sysconf("SC_PHYS_PAGES")
