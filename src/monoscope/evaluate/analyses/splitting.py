"""What becomes of a feature in wider dictionaries: it goes on, splits into several, or is not found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from monoscope.evaluate.analyses.activity import Codes, masked_cosines, shifted
from monoscope.evaluate.analyses.base import ANALYSES, Check, Material, Progress, unwatched
from monoscope.evaluate.analyses.lineage import (
    Level,
    above,
    by_width,
    clearness,
    forest,
    labels,
    leaves,
    link_cosines,
    strongest,
    tree,
    unit,
)
from monoscope.evaluate.analyses.planted import Tagged, families
from monoscope.evaluate.report import Meter
from monoscope.evaluate.tags import Tags

FORMULAS = {
    "similarity": "cosine of two features' activations over the tokens where the one, or the other, is active; the "
    "greater of the two",
    "link": "a feature and one of the next wider dictionary whose similarity is above the threshold",
    "split_share": "features with two links or more / features active on enough tokens",
    "new_share": "features of the wider dictionary that no link leads to / those active on enough tokens",
    "chance_links": "links per feature where the wider dictionary reads the text shifted by half its length",
    "precision": "tokens in the concept's passages / tokens on which the feature is active",
}
UNTAGGED = "the text has no tagged concepts"


@ANALYSES.register("splitting")
@dataclass(frozen=True, kw_only=True)
class Splitting:
    """What becomes of features as dictionaries get wider.

    Dictionaries of one site, from narrow to wide: a feature is linked with those of the next whose activations go
    with its own. One link: it goes on. Several: it has split. A feature that no link leads to is new. The same is
    counted where the wider dictionary reads other text, which says how many links are chance.

    References: Bricken et al. 2023 (Towards Monosemanticity), "Feature Splitting"; Templeton et al. 2024 (Scaling
    Monosemanticity), "Feature Splitting and Feature Completeness".
    """

    name: ClassVar[str]

    threshold: float = 0.4
    """Similarity above which two features are linked."""
    cosine: float = 0.5
    """Cosine of directions from which a latent counts as one of a concept's feature."""
    precision: float = 0.5
    """Share of its tokens that such a latent has in the concept's passages, at least."""
    minimum: int = 20
    """Tokens on which a feature must be active to be compared."""
    n_tokens: int = 200_000
    """Tokens of each text that are looked at, at most."""
    concept: str = "base64"
    """The concept whose feature is followed from the narrowest dictionary to much wider ones."""
    trees: int = 8
    """Features of the narrowest dictionary that are kept with all that they become."""
    leaves: int = 10
    """Latents of the widest dictionary that such a feature becomes at most, unless it is a concept's."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Follow the features.

        Raises:
            WrongUse: there is no dictionary of another width beside this one.
            MismatchedArtefact: a dictionary reads another model or another site.
        """
        runs = by_width([material, *material.others])
        meter = Meter((2 + len(runs)) * self.n_tokens, progress)
        levels = [Level.of(run, material, self.n_tokens, meter.advance) for run in runs]
        links = [self.links(a, b) for a, b in pairwise(levels)]
        steps = list(zip(pairwise(levels), links, strict=True))
        parents = [strongest(each) for each in links]
        concepts = self.concepts(material, levels, meter)
        roots = [(each["feature"], each["level"]) for each in concepts.values() if each["level"] is not None]
        shown = self.shown(roots, levels[0], leaves(parents, levels[0].width), clearness(links))
        meter.finish()
        checks = [self.family_check(concepts, levels), self.concept_check(concepts, levels)]
        return {
            "formulas": FORMULAS,
            "n_tokens": levels[0].codes.shape[0],
            "threshold": self.threshold,
            "d_model": material.dictionary.d_model,
            "runs": [level.material.name for level in levels],
            "widths": [level.width for level in levels],
            "steps": [self.step(a, b, each) for (a, b), each in steps],
            "forest": [forest(each, link_cosines(a, b, each)) for (a, b), each in steps],
            "own": runs.index(material),
            "labels": [labels(level, at, links) for at, level in enumerate(levels)],
            "trees": [tree(root, at, levels, parents) for root, at in shown],
            "concepts": concepts,
            "checks": [check.to_json() for check in checks],
        }

    def links(self, a: Level, b: Level) -> Codes:
        """Similarities above the threshold, ``[feature of a, feature of b]``."""
        return above(masked_cosines(a.codes, b.codes, self.minimum), self.threshold)

    def step(self, a: Level, b: Level, links: Codes) -> dict[str, Any]:
        """What becomes of one width's features in the next."""
        fit_a, fit_b = (level.active >= self.minimum for level in (a, b))
        onwards, origins = np.diff(links.indptr)[fit_a], np.bincount(links.indices, minlength=b.width)[fit_b]
        chance = self.links(a, Level(b.material, shifted(b.codes), b.active))
        turned = link_cosines(a, b, links)
        return {
            "from": a.width,
            "to": b.width,
            "compared": int(fit_a.sum()),
            "links_per_feature": links.nnz / max(int(fit_a.sum()), 1),
            "chance_links": chance.nnz / max(int(fit_a.sum()), 1),
            "lost_share": share(onwards == 0),
            "kept_share": share(onwards == 1),
            "split_share": share(onwards >= 2),
            "new_share": share(origins == 0),
            "median_cosine": float(np.median(turned)) if len(turned) else None,
        }

    def shown(
        self,
        roots: list[tuple[int, int]],
        narrowest: Level,
        becomes: Int[np.ndarray, " root"],
        clear: Float[np.ndarray, " root"],
    ) -> list[tuple[int, int]]:
        """The features that trees are kept of, and whose they are.

        Those of concepts; then, of the rarer half of the narrowest dictionary's features, those that split, can still
        be read, and whose links are clearest: common ones are about grammar, and say less to a reader.
        """
        fit = (becomes > 1) & (becomes <= self.leaves) & (narrowest.active <= np.median(narrowest.active))
        order = np.argsort(-np.where(fit, clear, -1.0), kind="stable").tolist()
        return list(dict.fromkeys([*roots, *((root, 0) for root in order)]))[: self.trees]

    def concepts(self, material: Material, levels: Sequence[Level], meter: Meter) -> dict[str, Any]:
        """What becomes of the features of concepts: those that contain others, and ``concept``.

        A concept is followed from the narrowest dictionary of which a latent is about it: of the feature's tokens
        that marks it best on calibration text, ``precision`` are in its passages. The feature of ``concept`` is
        followed from the narrowest dictionary, however precise.
        """
        if not material.heldout.rows.concepts:
            return {}
        tagged = Tagged.of(material, self.n_tokens)
        parts = families(tagged.measured_on)
        empty = {"feature": None, "level": None, "precision": None, "latents": []}
        found: dict[str, dict[str, Any]] = {
            concept: {"parts": parts.get(concept, [])} | empty for concept in (*parts, self.concept)
        }
        for at, level in enumerate(levels):
            sought = [concept for concept, each in found.items() if each["level"] is None]
            marks = tagged.marks(level.material.dictionary, sought, meter.advance) if sought else None
            for concept in sought:
                kind = marks.kind(concept) if marks else None
                if marks is None or kind is None:
                    continue
                feature = marks.choices[concept, kind].candidate
                precision = float(level.precision(passages(tagged.measured_on, concept))[feature])
                if precision >= self.precision or concept == self.concept:
                    found[concept] |= {"feature": feature, "level": at, "precision": precision}
        for concept, each in found.items():
            if each["level"] is not None:
                wider = levels[int(each["level"]) :]
                each["latents"] = [self.latents(concept, each, wider[0], level, tagged) for level in wider]
        return found

    def latents(
        self, concept: str, found: dict[str, Any], narrow: Level, level: Level, tagged: Tagged
    ) -> list[dict[str, Any]]:
        """The latents of one width that are linked with a concept's feature."""
        feature, tags = found["feature"], tagged.measured_on
        row = masked_cosines(narrow.codes[:, [feature]], level.codes, self.minimum).tocoo()
        alike = np.zeros(level.width)
        alike[row.col] = row.data
        turned = unit(level.material.dictionary) @ unit(narrow.material.dictionary)[feature]
        inside = level.precision(passages(tags, concept))
        of_part = {part: level.precision(passages(tags, part)) for part in found["parts"]}
        latents = []
        for each in np.flatnonzero(alike > self.threshold).tolist():
            part = max(of_part, key=lambda name: of_part[name][each], default=None)
            latents.append(
                {
                    "feature": each,
                    "similarity": round(float(alike[each]), 4),
                    "cosine": round(float(turned[each]), 4),
                    "precision": round(float(inside[each]), 4),
                    "counts": bool(turned[each] >= self.cosine and inside[each] >= self.precision),
                    "part": part,
                    "part_precision": None if part is None else round(float(of_part[part][each]), 4),
                }
            )
        return latents

    def family_check(self, concepts: dict[str, Any], levels: Sequence[Level]) -> Check:
        """A1.8."""
        whole = {name: each for name, each in concepts.items() if each["parts"]}
        counts = {
            name: [sum(latent["counts"] for latent in latents) for latents in each["latents"]]
            for name, each in whole.items()
        }
        split = [name for name, each in counts.items() if each[:1] == [1] and max(each) >= 2]
        told = "; ".join(
            f"{name} {' -> '.join(map(str, each))} from {levels[whole[name]['level']].width} features on"
            if each
            else f"{name} has no latent"
            for name, each in counts.items()
        )
        return Check(
            name="A1.8",
            what="concepts that contain others whose one latent becomes two or more: linked with it, of cosine "
            f">= {self.cosine} to it, and with at least {self.precision:.0%} of their tokens in the concept's passages",
            figure=len(split) if whole else None,
            target=">= 1",
            holds=bool(split) if whole else None,
            why=told or ("no tagged concept contains others" if concepts else UNTAGGED),
        )

    def concept_check(self, concepts: dict[str, Any], levels: Sequence[Level]) -> Check:
        """A2.8."""
        widths, d_model = [level.width for level in levels], levels[0].material.dictionary.d_model
        wide = [at for at, width in enumerate(widths) if 8 * widths[0] <= width <= 32 * widths[0]]
        found = concepts.get(self.concept)
        missing = ""
        if found is None or found["feature"] is None:
            missing = f"{self.concept} is not tagged in this text" if concepts else UNTAGGED
        elif not wide:
            missing = "no dictionary is 8 to 32 times as wide as the narrowest"
        at = wide[-1] if wide else 0
        latents = [] if missing or found is None else found["latents"][at]
        inside = sum(latent["precision"] >= self.precision for latent in latents)
        usual = 0 if missing else np.median(np.diff(self.links(levels[0], levels[at]).indptr))
        return Check(
            name="A2.8",
            what=f"links of the {self.concept} feature of a dictionary {widths[0] / d_model:.3g} times as wide as the "
            f"site with the latents of one {widths[at] / widths[0]:.3g} times as wide",
            figure=None if missing else len(latents),
            target=">= 2",
            holds=None if missing else len(latents) >= 2,
            why=missing
            or f"{inside} of them have {self.precision:.0%} of their tokens in {self.concept}; "
            f"the median feature has {usual:.0f} links",
        )


def passages(tags: Tags, concept: str) -> Bool[np.ndarray, " token"]:
    """True on the tokens of a concept's passages."""
    return tags.mask(concept, "passage")


def share(flags: Bool[np.ndarray, " feature"]) -> float | None:
    """Share that is true; None where there are none."""
    return float(flags.mean()) if len(flags) else None
