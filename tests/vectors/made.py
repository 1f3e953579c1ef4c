"""Control vectors by chance, and pairs to learn from."""

from collections.abc import Sequence

import torch

from monoscope.vectors import ContrastPair, ControlVector, Reliability

D_MODEL = 6
NEUTRAL = (
    "Tom went home and sat down at the table.",
    "The next day she walked to the park with her brother.",
    "In the morning he met his friend at the corner.",
    "Then Ana opened the door and looked at the street.",
    "Max and his sister went to the shop together.",
    "She told her friend all about the day.",
    "He wanted to go to the lake with the others.",
    "It was an ordinary day for the teacher.",
    "After that they talked about the old house.",
    "Leo put the book on the chair and turned around.",
    "There was a letter on the floor of the hall.",
    "They walked along the road until the evening.",
)
"""Sentences without a mood, which the built-in model has no reason to read otherwise than by what came before."""
JOY = (
    "Joy is a happy feeling. Laughter is a sign of joy.",
    "Everyone laughed and hugged. A merry song began.",
)
SADNESS = (
    "Sadness is a heavy feeling. Tears are a sign of sorrow.",
    "Everyone wept and parted. A sad song began.",
)
PAIRS = [
    ContrastPair(f"Yes, the {word} was glad.", f"No, the {word} was sad.")
    for word in "dog king ship sea".split()
]


def made_vector(
    seed: int = 0, blocks: Sequence[int] = (1, 2), *, norms: bool = True, model_hash: str = "feed"
) -> ControlVector:
    """A vector whose every field holds something."""
    generator = torch.Generator().manual_seed(seed)
    found = Reliability(
        accuracy=0.9, low=0.6, high=1.0, random=0.55, difference=0.1, explained=1 / 3, n_pairs=10, n_groups=7
    )
    return ControlVector(
        directions={block: torch.randn(D_MODEL, generator=generator) for block in blocks},
        norms={block: 10.0 / 3 + block for block in blocks} if norms else {},
        centres={block: 0.1 * block for block in blocks},
        accuracy=dict.fromkeys(blocks, found),
        d_model=D_MODEL,
        n_blocks=4,
        model_hash=model_hash,
        model_name="tiny",
        model_type="llama",
        method="mean_difference",
        provenance={"seed": seed, "n_pairs": 10, "dataset_sha256": "0" * 64},
        recommended=0.3,
    )


def assert_same(one: ControlVector, other: ControlVector) -> None:
    """Equal in every field, bit for bit."""
    assert one == other
    assert one.hash == other.hash
    for name in vars(one):
        if name != "directions":
            assert getattr(one, name) == getattr(other, name), name
