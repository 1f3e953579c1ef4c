"""``monoscope index``: what every feature fires on and writes; and the same for notebooks."""

import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import tyro

from monoscope.activations import ActivationStore, Corpus, TokenRows, harvest
from monoscope.commands.indexing import direct_effects
from monoscope.commands.open_run import OpenRun
from monoscope.commands.page import Page
from monoscope.commands.progress import Reporter
from monoscope.commands.run import FINAL, through
from monoscope.commands.stages import STAGES, stages_of
from monoscope.dictionaries import SparseAutoencoder
from monoscope.documents import Document
from monoscope.errors import BrokenInput, MismatchedArtefact, WrongUse
from monoscope.features import FeatureIndex, IndexOptions, add_to_index, build_index
from monoscope.intervene.steer import placed
from monoscope.manifest import is_complete
from monoscope.models import LanguageModel


@dataclass(frozen=True, kw_only=True)
class IndexCommand:
    """Note what every feature of a run's dictionary fires on and writes; options are in run.toml, table ``index``."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    more_tokens: int = 0
    """Tokens of further text of the run's corpus to add to the index that is there."""


def index_run(options: IndexCommand, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Make the index of a run, or make it anew where its options changed; or add further text to it.

    Returns:
        ``run``, ``features`` (folders), ``n_features``, ``alive``, ``n_tokens``, ``seconds``, ``peak_memory``
        (bytes that the process held at most; None where the system does not tell).

    Raises:
        WrongUse: ``more_tokens`` is below 0.
        BrokenInput: the corpus has no further text.
    """
    if options.more_tokens < 0:
        raise WrongUse(f"{options.more_tokens} tokens cannot be added", "give 1 or more")
    began = monotonic()
    opened = OpenRun.at(options.run, reporter or Reporter())
    opened.dictionary  # noqa: B018  (a run without one ends here, in a sentence)
    with opened.folder.held():
        through(opened, STAGES[2:3], lambda path: None)
        if options.more_tokens:
            add_text(opened, options.more_tokens)
            Page(opened).write(
                FINAL, [stage.name for stage in stages_of(opened.recipe)], complete=opened.folder.complete
            )
        opened.folder.tidy()
    index = opened.features()
    return {
        "run": str(opened.folder),
        "features": str(opened.folder.features),
        "n_features": index.n_features,
        "alive": len(index.alive),
        "n_tokens": index.manifest.content["n_tokens"],
        "seconds": round(monotonic() - began, 2),
        "peak_memory": peak_memory(),
    }


def index_run_text(result: dict[str, Any]) -> str:
    """The result for people."""
    held = result["peak_memory"]
    memory = f", {held / 2**20:,.0f} MiB of memory at most" if held is not None else ""
    return (
        f"{result['alive']:,} of {result['n_features']:,} features fire on {result['n_tokens']:,} tokens\n"
        f"in {result['seconds']:.0f} s{memory}\n"
        f"index: {result['features']}"
    )


def add_text(run: OpenRun, n_tokens: int) -> None:
    """Harvest the documents that follow those of a run's index, and add them to it.

    Raises:
        BrokenInput: there are none.
    """
    folder = run.folder.features
    seen = int(TokenRows.open(folder / "rows").document_ids.max()) + 1 if is_complete(folder / "rows") else 0
    documents = run.corpus.training()[seen:]
    if not documents:
        raise BrokenInput(
            f"the corpus {run.corpus.name} has no text beyond its first {seen:,} documents",
            "add files to it, or index another corpus",
        )
    # All are kept: a corpus of which everything is held out is not split again.
    rest = Corpus(run.corpus.name, [replace(document, heldout=True) for document in documents])
    with run.reporter.stage("further text") as advance:
        store = harvest(
            run.lm,
            rest,
            site=str(run.site),
            out=run.folder.activations / "further",
            options=replace(run.recipe.harvest, n_tokens=n_tokens),
            split="heldout",
            progress=advance,
        )
    with run.reporter.stage("index") as advance:
        add_to_index(
            folder,
            run.model_dictionary,
            store,
            vocabulary=run.lm.vocabulary_strings(),
            logit_weights=direct_effects(run.lm, run.site),
            progress=advance,
        )


def peak_memory() -> int | None:
    """Bytes of memory that this process held at most, where the system tells."""
    try:
        import resource
    except ImportError:  # There is none on Windows.
        return None
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


def index(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    source: ActivationStore | Corpus | str | Path | Sequence[Document],
    *,
    name: str = "dictionary",
    out: str | Path | None = None,
    options: IndexOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureIndex:
    """What every feature of a dictionary fires on and writes.

    Args:
        lm: the model that the dictionary was made from.
        dictionary: the dictionary.
        source: activations of its site, or a corpus (or what ``read_corpus`` takes), which is harvested first.
        name: what to call the dictionary in the addresses of features.
        out: folder of the index; None: a temporary one, deleted with the index that is returned.
        options: how much to keep.
        progress: called with tokens done and tokens in all.

    Raises:
        MismatchedArtefact: dictionary, model and activations were not made from each other.
    """
    site = placed(lm, dictionary, None)
    store = source if isinstance(source, ActivationStore) else harvest(lm, source, site=str(site))
    if store.model_hash != lm.hash:
        raise MismatchedArtefact(
            f"the activations were harvested from model {store.model_hash}, and {lm.name} is {lm.hash}",
            "harvest them from this model",
        )
    folder = Path(tempfile.mkdtemp(prefix="monoscope-")) / "features" if out is None else Path(out)
    try:
        made = build_index(
            dictionary,
            store,
            vocabulary=lm.vocabulary_strings(),
            logit_weights=direct_effects(lm, site),
            address=f"{lm.name}/{site}/{name}",
            out=folder,
            options=options or IndexOptions(),
            progress=progress,
        )
    except BaseException:
        if out is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(made, shutil.rmtree, folder.parent, ignore_errors=True)
    return made
