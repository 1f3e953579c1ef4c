"""What can be called by name in a run: its features, its vectors, and how strongly they are steered."""

from functools import cache

from monoscope.commands.calibrate import calibrations
from monoscope.commands.open_run import OpenRun
from monoscope.commands.run_folder import RunFolder, read_record
from monoscope.intervene.plan import Names
from monoscope.intervene.topic import text_words
from monoscope.manifest import is_complete
from monoscope.vectors import Shelf


def names_of(opened: OpenRun) -> Names:
    """What steerings may name in this run.

    A feature is called by the word that its showcase was searched with; any other word is the first result of
    searching the index for it. A vector is called by its folder's name. Without a strength, what was calibrated gets
    the strength that was recommended.
    """
    folder = opened.folder
    opening = cache(opened.features)

    def find(name: str) -> dict[int, float]:
        found = opening().search(name.replace("_", " "), limit=1) if is_complete(folder.features) else []
        return {each.feature: 1.0 for each in found}

    return Names(
        features=shown_feature(folder),
        vectors=Shelf(folder.vectors),
        find=find,
        strengths=strengths_of(folder),
    )


def shown_feature(folder: RunFolder) -> dict[str, dict[int, float]]:
    """The showcase's feature under the word it was searched with."""
    if not is_complete(folder.showcase):
        return {}
    shown = read_record(folder.showcase / "showcase.json")
    name = "_".join(text_words(shown["query"]))
    return {name: {shown["feature"]: 1.0}} if name and shown["feature"] is not None else {}


def strengths_of(folder: RunFolder) -> dict[int, float]:
    """Feature -> the clamp at every token that its calibration recommended."""
    plain = {
        "edit": "clamp",
        "where_active": False,
        "scope": "all",
        "when": None,
        "ramp": 0,
        "keep_norm": False,
    }
    found = {}
    for name, record in calibrations(folder).items():
        about, strength = record["subject"], record["recommended"]
        alone = about.get("features") == {name: 1.0}
        if alone and strength is not None and all(about[key] == value for key, value in plain.items()):
            found[int(name)] = float(strength)
    return found
