"""A run with its parts: each is read when it is first needed, and checked against those it was made from."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from monoscope.activations import ActivationStore
from monoscope.activations.corpus import Corpus, read_corpus
from monoscope.activations.harvest import harvest
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder, check_parents
from monoscope.dictionaries import SparseAutoencoder
from monoscope.dictionaries.files import load
from monoscope.errors import MismatchedArtefact
from monoscope.features import FeatureIndex
from monoscope.features.labels import Labels
from monoscope.manifest import is_complete, read_manifest
from monoscope.models import LanguageModel, Site, load_model

GLIMPSE_TOKENS = 50_000
"""Tokens of calibration text that are read where no concept is to be chosen on it."""


class OpenRun:
    """A run that is being made or looked at.

    Args:
        folder: where it lies.
        recipe: the run as resolved.
        reporter: told of the work that opening a part may mean.
        lm: the model, when it is loaded already.
        corpus: the corpus, when it is read already.
    """

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        reporter: Reporter,
        *,
        lm: LanguageModel | None = None,
        corpus: Corpus | None = None,
    ) -> None:
        self.folder = folder
        self.recipe = recipe
        self.reporter = reporter
        self._lm = lm
        self._corpus = corpus

    @classmethod
    def at(cls, path: str | Path, reporter: Reporter) -> "OpenRun":
        """The run that lies there.

        Raises:
            MissingInput: there is none.
        """
        folder = RunFolder(path)
        return cls(folder, folder.recipe(), reporter)

    @cached_property
    def lm(self) -> LanguageModel:
        """The model.

        Raises:
            MismatchedArtefact: its weights are no longer those that the run was begun with.
        """
        lm = self._lm or load_model(self.recipe.model)
        self._check(model=lm.hash, tokenizer=lm.tokenizer_hash)
        return lm

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus.

        Raises:
            MismatchedArtefact: its text is no longer what the run was begun with.
        """
        corpus = self._corpus or read_corpus(self.recipe.corpus)
        self._check(corpus=corpus.hash)
        return corpus

    @property
    def site(self) -> Site:
        """Where in the model."""
        return Site.parse(self.recipe.site)

    @property
    def neuron_site(self) -> Site:
        """The neurons that features are compared with: the hidden units of the block's MLP."""
        return Site(self.site.block, "mlp_hidden")

    @property
    def address(self) -> str:
        """``MODEL/SITE/DICTIONARY``, the first part of the address of its features."""
        return f"{self.lm.name}/{self.site}/{self.folder.name}"

    @property
    def dictionary_hash(self) -> str:
        """The dictionary's content hash, as its manifest says.

        Raises:
            MissingInput: there is no dictionary yet.
        """
        return read_manifest(self.folder.dictionary, "dictionary").hash

    @cached_property
    def dictionary(self) -> SparseAutoencoder:
        """The dictionary.

        Raises:
            MissingInput: there is none yet.
            MismatchedArtefact: it was made from another model, at another site, or has another width.
        """
        dictionary = load(self.folder.dictionary)
        check_parents(
            self.folder.dictionary, read_manifest(self.folder.dictionary, "dictionary"), self.parents
        )
        if dictionary.site != str(self.site):
            raise MismatchedArtefact(
                f"{self.folder.dictionary} reads {dictionary.site or 'an unnamed site'}, and this run {self.site}",
                "put back the dictionary that this run made, or begin anew in another folder",
            )
        return dictionary

    @cached_property
    def model_dictionary(self) -> SparseAutoencoder:
        """The dictionary, known to fit the model."""
        dictionary = self.dictionary
        dictionary.check_width(self.lm.width(self.site), str(self.site))
        made_from = dictionary.model_hash
        if made_from != self.lm.hash:
            raise MismatchedArtefact(
                f"{self.folder.dictionary} was made from model {made_from}, and {self.lm.name} is {self.lm.hash}",
                "use the model it was made from, or train a dictionary on this one",
            )
        return dictionary

    def features(self) -> FeatureIndex:
        """The index, opened.

        Raises:
            MissingInput: there is none yet.
            MismatchedArtefact: it was made from another dictionary.
        """
        return FeatureIndex.open(self.folder.features, dictionary_hash=self.dictionary_hash)

    def labels(self, index: FeatureIndex) -> Labels:
        """The labels of that index, opened.

        Raises:
            MissingInput: there are none yet.
            MismatchedArtefact: they were made from another index or dictionary.
        """
        return Labels.open(
            self.folder.labels, index_hash=index.manifest.hash, dictionary_hash=self.dictionary_hash
        )

    def labels_if_any(self, index: FeatureIndex) -> Labels | None:
        """The labels of that index; None where there are none, or where they are said to be of another."""
        if not is_complete(self.folder.labels):
            return None
        try:
            return self.labels(index)
        except MismatchedArtefact as error:
            self.reporter.say(f"labels are left out: {error.sentence}; monoscope explain makes them again")
            return None

    @property
    def parents(self) -> dict[str, str]:
        """Hashes of the model and the tokenizer that the run was begun with; nothing before it was begun."""
        if not is_complete(self.folder.path):
            return {}
        known = self.folder.manifest().parents
        return {name: known[name] for name in ("model", "tokenizer") if name in known}

    # Activations

    def training(self) -> ActivationStore:
        """What the dictionary learns from, harvested unless it is there."""
        if self.recipe.activations:
            return ActivationStore.open(self.recipe.activations)
        return self._store("training", [self.site], self.recipe.harvest.n_tokens)

    def calibration(self) -> ActivationStore:
        """The first tokens of the same text with the block's neurons: what baselines and neurons are chosen on."""
        recovery = self.recipe.evaluation.recovery
        n_tokens = recovery.n_calibration_tokens if self.corpus.concepts() else GLIMPSE_TOKENS
        return self._store("calibration", [self.site, self.neuron_site], n_tokens)

    def heldout(self) -> ActivationStore:
        """Text that was kept apart, with the neurons where concepts are to be found in it."""
        sites = [self.site, *([self.neuron_site] if self.corpus.concepts() else [])]
        return self._store("heldout", sites, self.recipe.evaluation.n_tokens)

    def heldout_site(self, n_tokens: int) -> ActivationStore:
        """The beginning of the text kept apart at the dictionary's site; all that is there is not harvested again."""
        if is_complete(self.folder.activations / "heldout"):
            return self.heldout()
        at_most = min(n_tokens, self.recipe.evaluation.n_tokens)
        with self.reporter.stage("heldout text") as advance:
            return harvest(
                self.lm,
                self.corpus,
                site=str(self.site),
                options=replace(self.recipe.harvest, n_tokens=at_most),
                split="heldout",
                progress=advance,
            )

    def harvested(self) -> bool:
        """True when what the dictionary learns from is there."""
        own = self.folder.activations / "training"
        return is_complete(Path(self.recipe.activations) if self.recipe.activations else own)

    def _store(self, name: str, sites: list[Site], n_tokens: int) -> ActivationStore:
        at_most = replace(self.recipe.harvest, n_tokens=n_tokens)
        out = self.folder.activations / name
        out.parent.mkdir(parents=True, exist_ok=True)
        said = Reporter() if is_complete(out) else self.reporter
        with said.stage(f"{name} text") as advance:
            return harvest(
                self.lm,
                self.corpus,
                sites=[str(site) for site in sites],
                out=out,
                options=at_most,
                split="heldout" if name == "heldout" else "training",
                progress=advance,
            )

    def _check(self, **found: str) -> None:
        """Compare hashes with those that the run was begun with."""
        if is_complete(self.folder.path):
            check_parents(self.folder.path, self.folder.manifest(), found)
