"""``monoscope index``: what every feature fires on and writes; and the same for notebooks."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import tyro

from monoscope.activations import ActivationStore, Corpus, harvest
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run import through
from monoscope.commands.stages import STAGES, direct_effects
from monoscope.dictionaries import SparseAutoencoder
from monoscope.documents import Document
from monoscope.errors import MismatchedArtefact
from monoscope.features import FeatureIndex, IndexOptions, build_index
from monoscope.intervene.steer import placed
from monoscope.models import LanguageModel


@dataclass(frozen=True, kw_only=True)
class IndexCommand:
    """Note what every feature of a run's dictionary fires on and writes; options are in run.toml, table ``index``."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""


def index_run(options: IndexCommand, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Make the index of a run, or make it anew where its options changed.

    Returns:
        ``run``, ``features`` (folders), ``n_features``, ``alive``, ``n_tokens``, ``seconds``.
    """
    began = monotonic()
    opened = OpenRun.at(options.run, reporter or Reporter())
    opened.dictionary  # noqa: B018  (a run without one ends here, in a sentence)
    with opened.folder.held():
        through(opened, STAGES[2:3], lambda path: None)
        opened.folder.tidy()
    index = opened.features()
    return {
        "run": str(opened.folder),
        "features": str(opened.folder.features),
        "n_features": index.n_features,
        "alive": len(index.alive),
        "n_tokens": index.manifest.content["n_tokens"],
        "seconds": round(monotonic() - began, 2),
    }


def index_run_text(result: dict[str, Any]) -> str:
    """The result for people."""
    return (
        f"{result['alive']:,} of {result['n_features']:,} features fire on {result['n_tokens']:,} tokens\n"
        f"index: {result['features']}"
    )


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
