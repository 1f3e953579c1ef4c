"""Indexing as stages and commands do it: the features of a run's dictionary on stored activations."""

from functools import partial

from monoscope.activations import ActivationStore
from monoscope.commands.open_run import OpenRun
from monoscope.features import build_index, logit_weights
from monoscope.features.logits import LogitWeights
from monoscope.models import LanguageModel, Site

ADDED = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
"""Kinds of sites whose directions are added to the residual stream, and so reach the logits directly."""


def index_store(run: OpenRun, store: ActivationStore) -> None:
    """Note what every feature of the run fires on in a store, and writes."""
    dictionary = run.model_dictionary
    with run.reporter.stage("index") as advance:
        build_index(
            dictionary,
            store,
            vocabulary=run.lm.vocabulary_strings(),
            logit_weights=direct_effects(run.lm, run.site),
            address=run.address,
            out=run.folder.features,
            options=run.recipe.index,
            progress=advance,
        )


def direct_effects(lm: LanguageModel, site: Site) -> LogitWeights | None:
    """What maps directions of a site to logits; None where they are not added to the residual stream."""
    if site.kind not in ADDED:
        return None
    return partial(
        logit_weights,
        unembedding=lm.unembedding(),
        norm_weight=lm.final_norm_weight(),
        centres=lm.final_norm_centres,
    )
