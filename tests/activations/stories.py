"""A small corpus for the tests of this folder."""

from monoscope.documents import Document, Span

STORY = "The old bridge crosses the water. Fog hides the bridge"


def stories(count: int = 60) -> list[Document]:
    """Documents that differ; every fifth is held out, and every one names a bridge."""
    return [
        Document(f"{STORY} number {number}.", (Span(8, 14, "bridge", "mention"),), heldout=number % 5 == 0)
        for number in range(count)
    ]
