"""Descriptions of features in a few words, for names of groups and for figures."""

import re

SHARE = re.compile(r" \([^()]*% of activation\)")
"""What a description adds to the tokens that it names."""


def short(description: str) -> str:
    """What a feature fires on, out of its description: ``bridge, towers, Golden`` or ``near bridge, bay, fog``."""
    fires, _, _ = description.partition("; promotes ")
    first, _, _ = fires.partition("; ")
    return SHARE.sub("", first)
