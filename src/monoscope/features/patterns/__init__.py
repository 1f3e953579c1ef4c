"""What a feature fires on as n-grams with wildcards, found by running the model again on changed text, each with
its score on text that was kept apart.

After Neuron to Graph (Foote et al. 2023, 2305.19911), which Gao et al. 2024 (2406.04093) use to measure how far the
features of a dictionary can be explained.
"""

from monoscope.features.patterns.examples import Examples, held_out
from monoscope.features.patterns.find import find_patterns, token_patterns
from monoscope.features.patterns.options import PatternOptions
from monoscope.features.patterns.probe import Activate, activations_at_the_end
from monoscope.features.patterns.record import START, WILDCARD, Counts, FeaturePatterns, Pattern
from monoscope.features.patterns.score import PatternTally
from monoscope.features.patterns.text import describe_patterns, pattern_text, shown_patterns
from monoscope.features.patterns.trie import Matches, PatternTrie

__all__ = [
    "START",
    "WILDCARD",
    "Activate",
    "Counts",
    "Examples",
    "FeaturePatterns",
    "Matches",
    "Pattern",
    "PatternOptions",
    "PatternTally",
    "PatternTrie",
    "activations_at_the_end",
    "describe_patterns",
    "find_patterns",
    "held_out",
    "pattern_text",
    "shown_patterns",
    "token_patterns",
]
