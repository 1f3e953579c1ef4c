"""A feature forming: one feature of a dictionary that is still learnt, as it was at each checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float, Int

from monoscope.activations import ActivationStore
from monoscope.commands.open_run import OpenRun
from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.analyses.activity import Codes, encoded
from monoscope.intervene.topic import text_words
from monoscope.manifest import is_complete
from monoscope.train import checkpoint_written, dictionary_so_far, read_metrics, training_folder

WORK = 5e10
"""Multiplications that a look at a checkpoint may cost; the sample is as long as that allows, within limits."""
FEWEST, MOST = 1024, 32768
"""Tokens of the sample."""
SHOWN, TEXTS = 6, 4
"""Checkpoints told at once, and texts of each."""
NEAR = 16
"""Tokens around a mention of the topic in which a feature that is about it may be active."""
BEFORE, AFTER = 12, 8
"""Tokens shown on either side of the strongest."""
LEAST = 10
"""Tokens of the sample that a feature is active on, at least, to be the one that is shown."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A dictionary at one checkpoint."""

    n_tokens: int
    """Tokens it had learnt from."""
    fvu: float | None
    """Variance unexplained, as the log had it."""
    codes: Codes
    """Of the sample, ``[token, feature]``."""


@final
class Forming:
    """Looks at every checkpoint of a run that it comes to see; what it saw is kept as long as it lives.

    Args:
        run: the run.
    """

    def __init__(self, run: OpenRun) -> None:
        self.run = run
        self.lock = Lock()
        self.snapshots: list[Snapshot] = []
        self.seen: object = None

    def __call__(self) -> dict[str, Any]:
        """One feature at up to six of the checkpoints, as ``monoscope.explore.api.answers.Forming`` has it."""
        with self.lock:
            self._look()
            if not self.snapshots:
                return {"feature": None, "snapshots": []}
            feature = self.sample.clearest(self.snapshots[-1].codes, self.run.recipe.showcase.query)
            kept = (
                np.linspace(0, len(self.snapshots) - 1, min(SHOWN, len(self.snapshots))).round().astype(int)
            )
            told = [self._told(self.snapshots[place], feature) for place in kept.tolist()]
            return {"feature": feature, "snapshots": told}

    def _look(self) -> None:
        """Take the newest checkpoint, or at last the finished dictionary."""
        folder, recipe = self.run.folder, self.run.recipe
        done = is_complete(folder.dictionary)
        written = "done" if done else checkpoint_written(folder.dictionary)
        if written is None or written == self.seen or (done and not self.snapshots) or self.store is None:
            return
        if done:
            found = self.run.dictionary, recipe.training.n_tokens
        else:
            options = recipe.dictionary, recipe.training
            found = dictionary_so_far(folder.dictionary, *options, site=str(self.run.site))
        self.seen = written
        if found is not None:
            dictionary, n_tokens = found
            if self.snapshots and self.snapshots[-1].n_tokens == n_tokens:
                self.snapshots.pop()
            self.snapshots.append(Snapshot(n_tokens, self._fvu(n_tokens), self.sample.codes(dictionary)))

    def _fvu(self, n_tokens: int) -> float | None:
        folder = self.run.folder.dictionary
        path = (folder if is_complete(folder) else training_folder(folder)) / "metrics.jsonl"
        points = read_metrics(path) if path.is_file() else []
        before = [point["fvu"] for point in points if point["tokens"] <= n_tokens and "fvu" in point]
        return before[-1] if before else None

    def _told(self, snapshot: Snapshot, feature: int) -> dict[str, Any]:
        values = snapshot.codes[:, [feature]].toarray()[:, 0]
        return {
            "tokens": snapshot.n_tokens,
            "active": int((values > 0).sum()),
            "looked_at": len(values),
            "fvu": snapshot.fvu,
            "texts": self.sample.texts(values),
        }

    @property
    def store(self) -> ActivationStore | None:
        """Activations to look at, where there are any yet."""
        for place in (self.run.folder.activations / "calibration", self.run.recipe.activations):
            if place and is_complete(place):  # type: ignore[arg-type]
                return ActivationStore.open(place)
        return None

    @cached_property
    def sample(self) -> "Sample":
        """The beginning of the text."""
        store = self.store
        assert store is not None, "who looks has seen that there is one"
        width = store.d_model(self.run.site)
        n_tokens = int(min(MOST, max(FEWEST, WORK / (2 * width * self.run.recipe.dictionary.n_features))))
        places, x = next(store.sequential(self.run.site, n_tokens))
        words = self.run.lm.token_strings(store.rows.tokens.reshape(-1)[places].astype(np.int64))
        return Sample(x, words, places // store.rows.context)


@dataclass(frozen=True, eq=False)
class Sample:
    """Some tokens that every checkpoint is shown."""

    x: Any
    """Their activations, ``[token, d_model]``."""
    words: Sequence[str]
    """What each says."""
    rows: Int[np.ndarray, " token"]
    """The row of text that each is in."""

    def codes(self, dictionary: SparseAutoencoder) -> Codes:
        """What a dictionary makes of them."""
        return encoded(dictionary, self.x)

    def clearest(self, codes: Codes, topic: str) -> int:
        """The feature that marks best where the topic is; without one in the text, the one most about a single word."""
        active = np.asarray((codes > 0).sum(axis=0)).reshape(-1)
        fit = active >= LEAST
        about = self.about(topic)
        score = self._marks(codes, about, active) if about.any() else self._of_one_word(codes)
        return int(np.where(fit, score, -1.0).argmax())

    def about(self, topic: str) -> Bool[np.ndarray, " token"]:
        """True near each token that is a word of the topic."""
        wanted = set(text_words(topic.casefold()))
        said = np.array([word.strip().casefold() in wanted for word in self.words])
        near = np.convolve(said, np.ones(2 * NEAR + 1), mode="same") > 0
        return near & np.isin(self.rows, self.rows[said])

    def texts(self, values: Float[np.ndarray, " token"]) -> list[dict[str, Any]]:
        """The strongest texts, each of another row."""
        strongest = [int(each) for each in np.argsort(-values, kind="stable") if values[each] > 0]
        first: dict[int, int] = {}
        for place in strongest:
            first.setdefault(int(self.rows[place]), place)
            if len(first) == TEXTS:
                break
        return [self._window(place, values) for place in first.values()]

    def _window(self, place: int, values: Float[np.ndarray, " token"]) -> dict[str, Any]:
        shown = np.arange(max(0, place - BEFORE), min(len(values), place + AFTER + 1))
        shown = shown[self.rows[shown] == self.rows[place]]
        return {
            "tokens": [self.words[each] for each in shown],
            "activations": values[shown].tolist(),
            "peak": int(place - shown[0]),
        }

    def _marks(
        self, codes: Codes, about: Bool[np.ndarray, " token"], active: Int[np.ndarray, " feature"]
    ) -> Float[np.ndarray, " feature"]:
        """F1 of being active for being near a mention."""
        both = (codes > 0).astype(np.float64).T @ about.astype(np.float64)
        return 2 * both / (active + about.sum())

    def _of_one_word(self, codes: Codes) -> Float[np.ndarray, " feature"]:
        """Share of each feature's activation on the word that it is most active on, words of three letters or more."""
        said = [word.strip().casefold() for word in self.words]
        kinds, kind = np.unique([word if len(word) > 2 else "" for word in said], return_inverse=True)
        by_kind = np.zeros((len(kinds), codes.shape[1]))
        found = codes.tocoo()
        np.add.at(by_kind, (kind[found.row], found.col), found.data)
        whole = by_kind.sum(axis=0).clip(1e-12)
        return by_kind[kinds != ""].max(axis=0, initial=0.0) / whole
