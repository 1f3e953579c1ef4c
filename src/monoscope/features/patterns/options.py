"""How patterns are looked for and how they are scored."""

from dataclasses import dataclass

from monoscope.errors import WrongUse


@dataclass(frozen=True, kw_only=True)
class PatternOptions:
    """How patterns are looked for and how they are scored."""

    longest: int = 12
    """Tokens of a pattern at most."""
    kept: float = 0.5
    """Share of an example's activation that what becomes its pattern must keep."""
    draws: int = 4
    """Texts from elsewhere, and replacements of each token, that the activation is averaged over."""
    before: int = 2
    """Tokens from elsewhere in front of the pattern; 0 cuts the text off there instead, as in the paper."""
    thresholds: tuple[float, ...] = (0.0, 0.5)
    """Shares of the largest activation above which a token counts as active, and as predicted to be."""
    seed: int = 0
    """Seed of the texts and tokens drawn."""

    def __post_init__(self) -> None:
        for name, least in {"longest": 1, "draws": 1, "before": 0, "seed": 0}.items():
            if getattr(self, name) < least:
                raise WrongUse(f"{name} = {getattr(self, name)} is below {least}", f"give {least} or more")
        if self.longest > 255:
            raise WrongUse(f"patterns of {self.longest} tokens cannot be stored", "give 255 or less")
        if not 0 < self.kept <= 1:
            raise WrongUse(f"kept = {self.kept} is no share of an activation", "give a number in (0, 1]")
        if not self.thresholds or not all(0 <= threshold < 1 for threshold in self.thresholds):
            raise WrongUse(
                f"thresholds = {self.thresholds} are no shares of an activation",
                "give one or more numbers in [0, 1)",
            )

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of context that are tried, shortest first: 1, 2, 3, 4, 6, 8, 12, ... and the longest.

        A token too many does no harm: it becomes a wildcard, and wildcards in front are left out.
        """
        tried, length = [], 1
        while length < self.longest:
            tried.append(length)
            length += 1 if length < 4 else 2 ** (length.bit_length() - 2)
        return (*tried, self.longest)
