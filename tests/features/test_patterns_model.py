"""Patterns found by running a real, tiny model."""

import numpy as np
import pytest
import torch

from monoscope.activations import harvest
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.documents import Document
from monoscope.errors import MismatchedArtefact, UnknownSite
from monoscope.features.firings import stream_firings
from monoscope.features.passages import passages
from monoscope.features.patterns import (
    Examples,
    FeaturePatterns,
    PatternOptions,
    activations_at_the_end,
    find_patterns,
    pattern_text,
)
from monoscope.models import LanguageModel

SITE = "blocks.1.resid_post"
N_FEATURES = 12
TEXTS = (
    "The old bridge crosses the water. Fog comes in from the sea 🌉 and hides the towers.",
    "Once upon a time there was a little girl. שלום, שלום! She walked over the old bridge.",
)


def random_dictionary(site: str = SITE, d_model: int = 32) -> SparseAutoencoder:
    generator = torch.Generator().manual_seed(0)
    decoder = torch.nn.functional.normalize(torch.randn(N_FEATURES, d_model, generator=generator), dim=1)
    return SparseAutoencoder(
        AutoencoderOptions(n_features=N_FEATURES, sparsifier=TopK(3)),
        encoder=decoder.T.contiguous(),
        encoder_bias=torch.zeros(N_FEATURES),
        decoder=decoder,
        bias=torch.zeros(d_model),
        site=site,
    )


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
def test_the_end_of_a_text_is_read_as_the_text_alone(tiny_llama: LanguageModel, batch_tokens: int) -> None:
    dictionary = random_dictionary()
    texts = torch.randint(2, 400, (9, 5), generator=torch.Generator().manual_seed(1)).numpy()
    which, features = np.nonzero(np.ones((9, N_FEATURES)))
    shuffled = np.random.default_rng(0).permutation(len(which))
    activate = activations_at_the_end(tiny_llama, dictionary, batch_tokens=batch_tokens)
    found = np.zeros((9, N_FEATURES))
    found[which[shuffled], features[shuffled]] = activate(texts, which[shuffled], features[shuffled])
    site = tiny_llama.resolve(SITE)
    for text, values in zip(texts, found, strict=True):
        alone = torch.tensor([[tiny_llama.bos_id, *text.tolist()]])
        codes = dictionary.encode(tiny_llama.activations(alone, [site])[site][0, -1])
        assert values == pytest.approx(codes.numpy(), abs=1e-4)
        assert np.count_nonzero(values) <= 3


def test_features_together_equal_features_alone(tiny_llama: LanguageModel) -> None:
    dictionary = random_dictionary()
    store = harvest(tiny_llama, [Document(text) for text in TEXTS], site=SITE)
    (firings,) = stream_firings(dictionary, store)
    examples = Examples.sort(firings.features, firings.positions, firings.values)
    largest = np.zeros(N_FEATURES)
    np.maximum.at(largest, examples.features, examples.values)
    tokens, passage = store.rows.tokens.reshape(-1), passages(store.rows)

    def find(chosen: Examples, batch_tokens: int) -> list[FeaturePatterns]:
        activate = activations_at_the_end(tiny_llama, dictionary, batch_tokens=batch_tokens)
        options = PatternOptions(longest=4)
        return find_patterns(chosen, tokens, passage, activate, largest=largest, options=options)

    together = find(examples, 4096)
    assert sum(record.explained_examples for record in together) > 20
    for feature in np.unique(examples.features)[:3].tolist():
        alone = find(examples.where(examples.features == feature), 64)
        assert alone[feature] == together[feature]
    vocabulary = tiny_llama.vocabulary_strings()
    for record in together:
        for pattern in record.patterns:
            assert pattern_text(pattern.tokens, vocabulary).encode()


def test_dictionaries_of_other_places_are_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(UnknownSite):
        activations_at_the_end(tiny_llama, random_dictionary("blocks.9.resid_post"))
    with pytest.raises(MismatchedArtefact, match="width 16"):
        activations_at_the_end(tiny_llama, random_dictionary(d_model=16))
