"""What was done, in a sentence and a line of facts; and how far a run has come."""

from collections.abc import Mapping, Sequence
from typing import Any

from monoscope.explore.markup import Markup, element
from monoscope.explore.wording import count, duration, readable

RENEWED_EVERY = 5
"""Seconds after which an incomplete page is loaded again."""
STAGES: dict[str, str] = {
    "harvest": "Reading the corpus",
    "train": "Learning features",
    "index": "Noting what each one does",
    "evaluate": "Measuring",
    "showcase": "Turning one up",
    "report": "Writing the report",
}
"""Stages of a run in their order -> what is done in each."""
FURTHER = {"beside": "Comparing dictionaries"}
"""Stages that only some runs have."""


def opening(title: str, run: Mapping[str, Any], *, complete: bool) -> Markup:
    """Title, one sentence, and the facts."""
    return element(
        "header",
        element("h1", title),
        element("p", *_sentence(run, complete), class_="lead"),
        element("dl", [_fact(*each) for each in _facts(run)], class_="facts"),
        element(
            "details",
            element("summary", "What is a feature?"),
            element(
                "p",
                "A language model turns each word into a long list of numbers. Single numbers of that list, called "
                "neurons, mostly stand for many unrelated things at once. A ",
                element("em", "feature"),
                " is a direction in that list: a fixed mixture of neurons. A sparse autoencoder looks for "
                "directions of which only a few are needed for any word, and those tend to mean one thing each.",
            ),
            class_="what",
        ),
        class_="opening",
    )


def progress(status: Mapping[str, Any]) -> Markup | None:
    """Which stages are done and which one runs; None when the run is complete."""
    if status.get("complete"):
        return None
    done, now = list(status.get("done", ())), status.get("stage")
    error = status.get("error")
    items = []
    for stage in _stages(done, now):
        state = "done" if stage in done else ("failed" if error else "now") if stage == now else "next"
        spoken = element("span", f" ({state})", class_="spoken")
        items.append(element("li", (STAGES | FURTHER).get(stage, readable(stage)), spoken, class_=state))
    if error:
        words = element("p", "The run stopped: ", str(error), class_="problem", role="alert")
    else:
        words = element(
            "p", f"{duration(status.get('seconds'))} so far; this page renews itself.", class_="soft"
        )
    renewed = None if error else RENEWED_EVERY
    stages = element("ol", items, class_="stages")
    return element("div", stages, words, class_="progress", id="progress", data_renewed=renewed)


def _stages(done: Sequence[str], now: str | None) -> list[str]:
    """The usual stages, and after them others that this run has."""
    others = [stage for stage in (*done, now) if stage and stage not in STAGES]
    return [*STAGES, *dict.fromkeys(others)]


def _sentence(run: Mapping[str, Any], complete: bool) -> list[str | Markup]:
    features = run.get("dictionary", {}).get("n_features")
    what = element("b", f"{count(features)} features" if features else "Features")
    model = element("b", str(run.get("model", "under the lens")).rstrip("/").split("/")[-1])
    if not complete:
        return [
            what,
            " of the language model ",
            model,
            " are being learnt from its own activity. What is ready is here.",
        ]
    read = f"{count(run['n_tokens'])} tokens" if run.get("n_tokens") else "text"
    return [
        what,
        " of the language model ",
        model,
        f", learnt from its own activity while it read {read}. Look at what each one fires on, see how far they can be "
        "trusted, and turn one up.",
    ]


def _facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    dictionary = run.get("dictionary", {})
    kind = " ".join(
        str(part)
        for part in (dictionary.get("sparsifier"), f"k = {dictionary['k']}" if dictionary.get("k") else None)
        if part
    )
    facts = {
        "Model": run.get("model"),
        "Site": run.get("site"),
        "Corpus": run.get("corpus"),
        "Tokens": count(run["n_tokens"]) if run.get("n_tokens") else None,
        "Dictionary": f"{count(dictionary['n_features'])} features" if dictionary.get("n_features") else None,
        "Sparsity": kind or None,
        "Time": duration(run["seconds"]) if run.get("seconds") else None,
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _fact(name: str, value: str) -> Markup:
    return element("div", element("dt", name), element("dd", value))
