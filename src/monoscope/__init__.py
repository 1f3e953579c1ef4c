"""Find, name, measure and move the single-meaning features of a language model.

::

    import monoscope as ms

    lm = ms.load_model("builtin")
    acts = ms.harvest(lm, "builtin", site="blocks.2.resid_post")
    sae = ms.train(acts, ms.AutoencoderOptions(n_features=4096, sparsifier=ms.TopK(32)))
    feats = ms.index(lm, sae, acts)
    bridge = feats.search("bridge")[0]
    with ms.steer(lm, sae, {bridge.id: ms.Clamp(10)}):
        print(lm.generate("Once upon a time"))

Every name here is imported when it is first used: importing monoscope itself loads neither torch nor transformers.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monoscope.activations import ActivationStore, Corpus, HarvestOptions, harvest, read_corpus
    from monoscope.commands.evaluate import evaluate
    from monoscope.commands.index import index
    from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, TopK
    from monoscope.dictionaries.files import load as load_dictionary
    from monoscope.dictionaries.files import save as save_dictionary
    from monoscope.documents import Document, Span
    from monoscope.errors import MonoscopeError
    from monoscope.evaluate.report import EvaluateOptions
    from monoscope.explore import report_html as report
    from monoscope.features import FeatureIndex, IndexOptions
    from monoscope.features.labels import Labels
    from monoscope.intervene import (
        Ablate,
        Add,
        Cap,
        Clamp,
        Rule,
        Scale,
        Scope,
        When,
        dose_response,
        spliced,
        steer,
        steer_each,
    )
    from monoscope.models import LanguageModel, Site, load_model
    from monoscope.train import TrainOptions, Wanted, train, train_many
    from monoscope.vectors import ContrastPair, ControlVector, contrast_pairs, learn_vector

_PUBLIC: dict[str, tuple[str, str]] = {
    "Ablate": ("intervene", "Ablate"),
    "ActivationStore": ("activations", "ActivationStore"),
    "Add": ("intervene", "Add"),
    "AutoencoderOptions": ("dictionaries", "AutoencoderOptions"),
    "Cap": ("intervene", "Cap"),
    "Clamp": ("intervene", "Clamp"),
    "ContrastPair": ("vectors", "ContrastPair"),
    "ControlVector": ("vectors", "ControlVector"),
    "Corpus": ("activations", "Corpus"),
    "Document": ("documents", "Document"),
    "EvaluateOptions": ("evaluate.report", "EvaluateOptions"),
    "FeatureIndex": ("features", "FeatureIndex"),
    "HarvestOptions": ("activations", "HarvestOptions"),
    "IndexOptions": ("features", "IndexOptions"),
    "Labels": ("features.labels", "Labels"),
    "LanguageModel": ("models", "LanguageModel"),
    "MonoscopeError": ("errors", "MonoscopeError"),
    "ReLU": ("dictionaries", "ReLU"),
    "Rule": ("intervene", "Rule"),
    "Scale": ("intervene", "Scale"),
    "Scope": ("intervene", "Scope"),
    "Site": ("models", "Site"),
    "Span": ("documents", "Span"),
    "SparseAutoencoder": ("dictionaries", "SparseAutoencoder"),
    "TopK": ("dictionaries", "TopK"),
    "TrainOptions": ("train", "TrainOptions"),
    "Wanted": ("train", "Wanted"),
    "When": ("intervene", "When"),
    "contrast_pairs": ("vectors", "contrast_pairs"),
    "dose_response": ("intervene", "dose_response"),
    "evaluate": ("commands.evaluate", "evaluate"),
    "harvest": ("activations", "harvest"),
    "index": ("commands.index", "index"),
    "learn_vector": ("vectors", "learn_vector"),
    "load_dictionary": ("dictionaries.files", "load"),
    "load_model": ("models", "load_model"),
    "read_corpus": ("activations", "read_corpus"),
    "report": ("explore", "report_html"),
    "save_dictionary": ("dictionaries.files", "save"),
    "spliced": ("intervene", "spliced"),
    "steer": ("intervene", "steer"),
    "steer_each": ("intervene", "steer_each"),
    "train": ("train", "train"),
    "train_many": ("train", "train_many"),
}
"""Public name -> the module below this package that has it, and its name there."""

__all__ = [
    "Ablate",
    "ActivationStore",
    "Add",
    "AutoencoderOptions",
    "Cap",
    "Clamp",
    "ContrastPair",
    "ControlVector",
    "Corpus",
    "Document",
    "EvaluateOptions",
    "FeatureIndex",
    "HarvestOptions",
    "IndexOptions",
    "Labels",
    "LanguageModel",
    "MonoscopeError",
    "ReLU",
    "Rule",
    "Scale",
    "Scope",
    "Site",
    "Span",
    "SparseAutoencoder",
    "TopK",
    "TrainOptions",
    "Wanted",
    "When",
    "contrast_pairs",
    "dose_response",
    "evaluate",
    "harvest",
    "index",
    "learn_vector",
    "load_dictionary",
    "load_model",
    "read_corpus",
    "report",
    "save_dictionary",
    "spliced",
    "steer",
    "steer_each",
    "train",
    "train_many",
]


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'monoscope' has no attribute {name!r}")
    module, there = _PUBLIC[name]
    return getattr(import_module(f"monoscope.{module}"), there)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


class _Callable(ModuleType):
    """A folder that bears the name of a function, and can be called as it: ``monoscope.train`` is both."""

    @property
    def __wrapped__(self) -> Any:
        return __getattr__(self.__name__.rpartition(".")[2])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)


class _Package(ModuleType):
    """The class of this package: a folder that is imported under the name of a public function becomes callable."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _PUBLIC and isinstance(value, ModuleType):
            value.__class__ = _Callable
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
