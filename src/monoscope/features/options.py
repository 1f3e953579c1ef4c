"""How much an index keeps."""

from dataclasses import dataclass

from monoscope.errors import WrongUse


@dataclass(frozen=True, kw_only=True)
class IndexOptions:
    """How much an index keeps of each feature."""

    top: int = 12
    """Examples of largest activation, each from another row of tokens."""
    intervals: int = 4
    """Equal parts of (0, largest activation] that further examples are drawn from."""
    per_interval: int = 3
    """Examples drawn at random from each interval."""
    window_before: int = 16
    """Tokens shown before the one that an example was chosen for."""
    window_after: int = 8
    """Tokens shown after it."""
    tokens_kept: int = 12
    """Tokens listed of those a feature fires on."""
    logits_kept: int = 12
    """Tokens listed of those it promotes, and of those it suppresses."""
    neighbours_kept: int = 8
    """Features listed of those with near directions."""
    samples: int = 64
    """Activations drawn in proportion to their size, whose surroundings tell which words a feature goes
    with."""
    words_kept: int = 128
    """Words that a search finds a feature by, at most."""
    promoters_kept: int = 128
    """Features that a search finds by each token they promote."""
    seed: int = 0
    """Seed of the random examples."""

    def __post_init__(self) -> None:
        for name, least in {
            "top": 1,
            "intervals": 1,
            "per_interval": 0,
            "samples": 1,
            "promoters_kept": 1,
        }.items():
            if getattr(self, name) < least:
                raise WrongUse(
                    f"{name} = {getattr(self, name)} is too few for an index", f"give {least} or more"
                )
        for name in (
            "window_before",
            "window_after",
            "tokens_kept",
            "logits_kept",
            "neighbours_kept",
            "words_kept",
        ):
            if getattr(self, name) < 0:
                raise WrongUse(f"{name} = {getattr(self, name)} is below 0", "give 0 or more")
        if self.intervals > 255 or self.samples > 65535:
            raise WrongUse("an index has at most 255 intervals and 65535 samples", "give less")

    @property
    def window(self) -> int:
        """Tokens in a full window."""
        return self.window_before + 1 + self.window_after
