"""Golden Gate Claude in small: is the clamp exact, does it bring the topic, and does nothing else bring it?

    python benchmarks/golden_gate.py runs/demo > golden_gate.json

The feature is the one that the run's showcase found by ``features search``. Controls: 20 random live features at the
same multiple and a random direction of the same length.
"""

import argparse
import re

from hardware import write

from monoscope.activations.rows import pack
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import read_record
from monoscope.documents import Document
from monoscope.evaluate.steering import steering_checks
from monoscope.intervene import story_beginnings
from monoscope.synthetic.world import marking_words

CONCEPT = "golden_gate_bridge"


def openings(documents: list[Document], count: int) -> list[str]:
    """The first words of passages about the concept, cut at the end of their second sentence."""
    found = []
    for document in documents:
        spans = [span for span in document.spans if span.concept == CONCEPT and span.kind == "passage"]
        if spans and not any(span.concept == "spanish" for span in document.spans):
            sentences = re.split(r"(?<=[.!?]) ", document.text[spans[0].start :])
            found.append(" ".join(sentences[:2]))
    return [text for text in found if len(text) > 20][:count]


def main() -> None:
    """Run the checks and write what they found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a complete run on the built-in model and corpus")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    reporter = Reporter()
    run = OpenRun.at(arguments.run, reporter)
    shown = read_record(run.folder.showcase / "showcase.json")
    heldout = run.corpus.heldout()
    others = [document for document in heldout if not any(span.concept == CONCEPT for span in document.spans)]
    with reporter.stage("checks", "steps") as advance:
        found = steering_checks(
            run.lm,
            run.model_dictionary,
            run.features(),
            shown["feature"],
            sorted(marking_words()[CONCEPT]),
            story_beginnings(),
            openings(heldout, 30),
            pack(others, run.lm, n_tokens=20_000),
            seed=arguments.seed,
            progress=advance,
        )
    rows = [
        {"what": f"{check['id']} {name}: {check['criterion']}"[:110], "ours": "passed" if check["passed"] else "failed",
         "reached": check["passed"]}
        for name, check in found["checks"].items()
    ]  # fmt: skip
    write(rows, feature=shown["feature"], address=shown["address"], found=found)


if __name__ == "__main__":
    main()
