"""An engine and a server of the tiny Llama, with a random dictionary."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import UnknownName, WrongUse
from monoscope.intervene import Ablate, Add, Clamp, Rule, Scale, Scope
from monoscope.models import LanguageModel
from monoscope.serve.engine import Engine
from monoscope.serve.steered import EachSteered

SITE = "blocks.1.resid_post"
N_FEATURES = 96


@pytest.fixture(scope="session")
def dictionary(tiny_llama: LanguageModel) -> SparseAutoencoder:
    """A random dictionary of the tiny Llama that knows its activations."""
    generator = torch.Generator().manual_seed(0)
    made = SparseAutoencoder.initialise(
        tiny_llama.width(SITE),
        AutoencoderOptions(n_features=N_FEATURES, sparsifier=TopK(6)),
        seed=0,
        site=SITE,
        model_hash=tiny_llama.hash,
    )
    made.encoder += 0.1 * torch.randn(made.encoder.shape, generator=generator)
    tokens = torch.randint(2, tiny_llama.vocabulary_size, (16, 32), generator=generator)
    (x,) = tiny_llama.activations(tokens, [tiny_llama.resolve(SITE)]).values()
    made.max_activation.copy_(made.encode(x).amax((0, 1)))
    return made


@pytest.fixture(scope="session")
def live(dictionary: SparseAutoencoder) -> list[int]:
    """Features that fire, the strongest first."""
    order = dictionary.max_activation.argsort(descending=True).tolist()
    return [feature for feature in order if dictionary.max_activation[feature] > 0]


@pytest.fixture
def engine(tiny_llama: LanguageModel, dictionary: SparseAutoencoder) -> Iterator[Engine]:
    with Engine(tiny_llama, EachSteered(tiny_llama, dictionary)) as made:
        yield made


def rules_of(told: str | dict[str, Any] | list[Any]) -> tuple[Rule, ...]:
    """A small language for the tests: ``{"edits": [{"feature": 4, "clamp": 2, "scope": "generated"}]}``."""
    if not isinstance(told, dict) or not isinstance(told.get("edits"), list):
        raise WrongUse(f"{told!r} is no steering", 'give {"edits": [...]}')
    return tuple(_rule(each) for each in told["edits"])


def _rule(told: Any) -> Rule:
    if not isinstance(told, dict) or not isinstance(told.get("feature"), int):
        raise WrongUse(f"{told!r} is no edit", "name a feature")
    kinds = {"clamp": Clamp, "add": Add, "scale": Scale}
    given = [kind for kind in kinds if isinstance(told.get(kind), int | float)]
    if "ablate" not in told and not given:
        raise UnknownName(f"{sorted(told)} names no change", "there are clamp, add, scale, ablate")
    made = kinds[given[0]](told[given[0]]) if given else Ablate()
    scope = Scope.parse(str(told.get("scope", "all")))
    return Rule(edit=made, features={told["feature"]: 1.0}, scope=scope)
