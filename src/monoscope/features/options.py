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
    random: int = 4
    """Examples drawn at random from all activations of the feature."""
    quantiles: int = 10
    """Groups of equally many activations, from the weakest to the strongest, that examples are shown of."""
    per_quantile: int = 2
    """Examples drawn at random from each of these groups."""
    near_misses: int = 4
    """Examples where the feature is silent, although a token is there that it often fires on."""
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
    coactive_kept: int = 8
    """Features listed of those that are active on the same tokens."""
    sampled_tokens: int = 131_072
    """Tokens, in whole rows drawn at random, on which it is counted which features go together, and where near
    misses are looked for."""
    samples: int = 64
    """Activations drawn in proportion to their size, whose surroundings tell which words a feature goes
    with."""
    words_kept: int = 128
    """Words that a search finds a feature by, at most."""
    promoters_kept: int = 128
    """Features that a search finds by each token they promote."""
    seed: int = 0
    """Seed of the random examples."""
    keep_state: bool = True
    """Keep what the pass gathered, some ten kilobytes a feature: without it no more text can be added."""
    shards: bool = False
    """Keep every activation, by token and by feature, and as Parquet: see ``monoscope.features.shards``."""

    def __post_init__(self) -> None:
        for name, least in {
            "top": 1,
            "intervals": 1,
            "per_interval": 0,
            "samples": 1,
            "promoters_kept": 1,
            "quantiles": 1,
            "sampled_tokens": 1,
        }.items():
            if getattr(self, name) < least:
                raise WrongUse(
                    f"{name} = {getattr(self, name)} is too few for an index", f"give {least} or more"
                )
        for name in (
            "random",
            "per_quantile",
            "near_misses",
            "coactive_kept",
            "window_before",
            "window_after",
            "tokens_kept",
            "logits_kept",
            "neighbours_kept",
            "words_kept",
        ):
            if getattr(self, name) < 0:
                raise WrongUse(f"{name} = {getattr(self, name)} is below 0", "give 0 or more")
        if max(self.intervals, self.quantiles) > 255 or self.samples > 65535:
            raise WrongUse("an index has at most 255 intervals or quantiles and 65535 samples", "give less")
        if self.window > 65535:
            raise WrongUse(f"a window of {self.window} tokens is too long", "give at most 65535")

    @property
    def window(self) -> int:
        """Tokens in a full window."""
        return self.window_before + 1 + self.window_after

    @property
    def drawn(self) -> int:
        """Activations of a feature drawn uniformly: the random examples and those of the quantiles."""
        return self.random + self.quantiles * self.per_quantile
