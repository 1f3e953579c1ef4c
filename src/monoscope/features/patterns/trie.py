"""The patterns of all features in one reverse trie, and where in a text they match."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from monoscope.features.grouping import run_starts
from monoscope.features.patterns.record import START, WILDCARD, FeaturePatterns

TOKEN_BITS = 32
"""Bits of an edge's key that hold the token, shifted so that START and WILDCARD are not negative."""


@dataclass(frozen=True)
class Matches:
    """Patterns that match at positions of a text, sorted by feature and position."""

    features: Int[np.ndarray, " match"]
    """Number of the feature."""
    positions: Int[np.ndarray, " match"]
    """Flat position of the token that the pattern ends on."""
    patterns: Int[np.ndarray, " match"]
    """Number of the pattern in the trie."""
    decides: Bool[np.ndarray, " match"]
    """True for the match that predicts: of a feature's patterns at a position the longest, then the one with most
    tokens that are no wildcards, then the strongest."""


class PatternTrie:
    """All patterns from their last token backwards: a text is walked through once for all features.

    A node stands for the patterns that end in the same tokens. Text is matched in blocks of positions: all
    positions of a block go down one level at a time, each along the edge of its token and along the edge of the
    wildcard, where the node has them.

    Attributes:
        owner: the feature of each pattern.
        activation: what each predicts, as a share of the feature's largest activation.
        starts: feature i's patterns, in its order, are ``starts[i] ... starts[i + 1]``.
    """

    def __init__(self, features: Sequence[FeaturePatterns]) -> None:
        patterns = [pattern for record in features for pattern in record.patterns]
        counts = [len(record.patterns) for record in features]
        numbers = np.array([record.feature for record in features], np.int64)
        self.owner = np.repeat(numbers, counts)
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self.activation = np.array([pattern.activation for pattern in patterns], np.float64)
        lengths = np.array([len(pattern.tokens) for pattern in patterns], np.int64)
        fixed = np.array(
            [sum(token != WILDCARD for token in pattern.tokens) for pattern in patterns], np.int64
        )
        self._place = np.repeat(np.arange(len(counts)), counts)
        # A feature's patterns stand together in this order too: what decides comes last.
        self._rising = np.lexsort((self.activation, fixed, lengths, self._place))
        self._rank = np.empty(len(patterns), np.int64)
        self._rank[self._rising] = np.arange(len(patterns))
        self._rank -= np.repeat(self.starts[:-1], counts)
        self._most = max(counts, default=0)
        self._plant([pattern.tokens for pattern in patterns], lengths)

    def __len__(self) -> int:
        return len(self.owner)

    def _plant(self, patterns: list[tuple[int, ...]], lengths: np.ndarray) -> None:
        """Number the nodes level by level; the root is 0."""
        n, depth = len(patterns), int(lengths.max(initial=0))
        columns = np.full((n, depth), WILDCARD, np.int64)
        for number, tokens in enumerate(patterns):
            columns[number, : len(tokens)] = tokens[::-1]
        node, n_nodes = np.zeros(n, np.int64), 1
        keys, children = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for level in range(depth):
            inside = np.flatnonzero(lengths > level)
            found, which = np.unique(_keys(node[inside], columns[inside, level]), return_inverse=True)
            keys.append(found)
            children.append(n_nodes + np.arange(len(found)))
            node[inside] = n_nodes + which
            n_nodes += len(found)
        # Nodes are numbered level by level and in order of their keys: all keys together are sorted.
        self._keys, self._children = np.concatenate(keys), np.concatenate(children)
        self._depth = depth
        self._wildcard = self._child(np.arange(n_nodes), np.full(n_nodes, WILDCARD))
        self._by_node = np.argsort(node, kind="stable")
        self._ends = np.searchsorted(node[self._by_node], np.arange(n_nodes + 1))

    def match(
        self,
        tokens: Integer[np.ndarray, " position"],
        passage: Int[np.ndarray, " position"],
        positions: Int[np.ndarray, " scored"],
        *,
        block: int = 1 << 14,
    ) -> Iterator[Matches]:
        """Every match at ``positions``, block after block.

        Args:
            tokens: token ids by flat position.
            passage: see :func:`monoscope.features.passages.passages`; patterns don't leave a passage, and
                ``START`` matches where it begins.
            positions: ascending; those outside passages match nothing.
            block: positions matched at once.
        """
        starts = run_starts(passage)
        for begin in range(0, len(positions), block):
            part = positions[begin : begin + block]
            part = part[passage[part] >= 0]
            since = part - starts[np.searchsorted(starts, part, side="right") - 1]
            found, patterns = self._walk(tokens, part, since)
            yield self._sorted(part, found, patterns)

    def predict(
        self,
        tokens: Integer[np.ndarray, " position"],
        passage: Int[np.ndarray, " position"],
        feature: int,
    ) -> Float[np.ndarray, " position"]:
        """The activation that a feature's patterns predict at each position, as a share of its largest; 0 where
        none matches.
        """
        predicted = np.zeros(len(tokens))
        for matches in self.match(tokens, passage, np.arange(len(tokens))):
            ours = matches.decides & (matches.features == feature)
            predicted[matches.positions[ours]] = self.activation[matches.patterns[ours]]
        return predicted

    def _walk(
        self, tokens: np.ndarray, positions: np.ndarray, since: np.ndarray
    ) -> tuple[Int[np.ndarray, " match"], Int[np.ndarray, " match"]]:
        """Indices into ``positions``, and the pattern that ends there."""
        at, node = np.arange(len(positions)), np.zeros(len(positions), np.int64)
        none = np.zeros(0, np.int64)
        found, patterns = [none], [none]
        for level in range(self._depth):
            # One step before the passage there is its beginning, and before that nothing.
            inside, begins = since[at] >= level, since[at] == level - 1
            here = tokens[np.maximum(positions[at] - level, 0)].astype(np.int64)
            along = self._child(node, np.where(begins, START, here))
            along[~inside & ~begins] = -1
            anyhow = np.where(inside, self._wildcard[node], -1)
            at = np.concatenate([at[along >= 0], at[anyhow >= 0]])
            node = np.concatenate([along[along >= 0], anyhow[anyhow >= 0]])
            counts = self._ends[node + 1] - self._ends[node]
            first = np.repeat(self._ends[node] - (np.cumsum(counts) - counts), counts)
            found.append(np.repeat(at, counts))
            patterns.append(self._by_node[first + np.arange(len(first))])
        return np.concatenate(found), np.concatenate(patterns)

    def _sorted(self, positions: np.ndarray, at: np.ndarray, patterns: np.ndarray) -> Matches:
        """Matches at ``positions[at]``; one number for feature, position and rank is sorted, and read again."""
        place = self._place[patterns] * len(positions) + at
        keys = np.sort(place * self._most + self._rank[patterns])
        place, rank = np.divmod(keys, max(self._most, 1))
        number, at = np.divmod(place, max(len(positions), 1))
        patterns = self._rising[self.starts[number] + rank]
        last = np.append(place[1:] != place[:-1], True)[: len(place)]
        return Matches(self.owner[patterns], positions[at], patterns, last)

    def _child(
        self, node: Int[np.ndarray, " step"], token: Int[np.ndarray, " step"]
    ) -> Int[np.ndarray, " step"]:
        """The node one token further; -1 where there is none."""
        if not len(self._keys):
            return np.full(len(node), -1)
        wanted = _keys(node, token)
        found = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where(self._keys[found] == wanted, self._children[found], -1)


def _keys(node: Int[np.ndarray, " step"], token: Int[np.ndarray, " step"]) -> Int[np.ndarray, " step"]:
    return (node << TOKEN_BITS) | (token - START)
