import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.features.on import active_features, strongest
from monoscope.features.texts import read_texts
from monoscope.models import LanguageModel

TEXTS = [
    "The old bridge crosses the water.",
    "fog",
    "Once upon a time there was a little girl who walked to the park with her dog. " * 4,
    "I like 🌉 and שלום, and \x1b[31m",
    " ",
]


def _dictionary(lm: LanguageModel) -> SparseAutoencoder:
    return SparseAutoencoder.initialise(
        lm.d_model,
        AutoencoderOptions(n_features=40, sparsifier=TopK(5)),
        seed=0,
        site="blocks.1.resid_post",
        model_hash=lm.hash,
    )


@pytest.fixture(params=["tiny_llama", "tiny_gpt2"])
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("batch_rows", [1, 2, 16])
def test_texts_are_read_as_each_by_itself(lm: LanguageModel, batch_rows: int) -> None:
    dictionary = _dictionary(lm)
    for text, read in zip(
        TEXTS, read_texts(lm, dictionary, TEXTS, context=32, batch_rows=batch_rows), strict=True
    ):
        ids = lm.tokenize(text, bos=False)
        assert read.tokens.tolist() == ids.tolist()
        for start in range(0, len(ids), 31):
            window = torch.cat([torch.tensor([lm.bos_id]), ids[start : start + 31]])
            (x,) = lm.activations(window[None], [dictionary.site]).values()
            expected = dictionary.sparse_encode(x[0, 1:])
            here = slice(start, start + 31)
            assert torch.equal(read.codes.indices[here], expected.indices)
            torch.testing.assert_close(read.codes.values[here], expected.values, atol=1e-4, rtol=1e-4)


def test_special_tokens_are_no_text(tiny_llama: LanguageModel) -> None:
    (read,) = read_texts(tiny_llama, _dictionary(tiny_llama), ["fog<|end|> and <|begin|>fog"])
    ids = tiny_llama.tokenize("fog<|end|> and <|begin|>fog", bos=False).tolist()
    assert read.tokens.tolist() == [token for token in ids if token not in tiny_llama.special_ids]
    assert len(read.tokens) == len(read.codes.values) == len(ids) - 2
    for nothing in ("", "<|end|>"):
        with pytest.raises(WrongUse, match="text 2 is empty"):
            list(read_texts(tiny_llama, _dictionary(tiny_llama), ["fog", nothing]))


def test_a_hundred_thousand_letters_without_a_space(tiny_llama: LanguageModel) -> None:
    (read,) = read_texts(tiny_llama, _dictionary(tiny_llama), ["bridge" * 17_000])
    assert tiny_llama.decode(read.tokens) == "bridge" * 17_000
    assert read.codes.values.shape == (len(read.tokens), 5)


def test_half_a_character_and_another_model_are_refused(
    tiny_llama: LanguageModel, tiny_gpt2: LanguageModel
) -> None:
    with pytest.raises(WrongUse, match="half a character"):
        list(read_texts(tiny_llama, _dictionary(tiny_llama), ["a\udc80"]))
    with pytest.raises(MismatchedArtefact, match="was made from model"):
        list(read_texts(tiny_gpt2, _dictionary(tiny_llama), ["a"]))


def test_what_is_strongest_is_what_is_active(tiny_llama: LanguageModel) -> None:
    dictionary = _dictionary(tiny_llama)
    (read,) = read_texts(tiny_llama, dictionary, ["The old bridge"])
    tokens = tiny_llama.tokenize("The old bridge")
    (x,) = tiny_llama.activations(tokens[None], [dictionary.site]).values()
    found = strongest(read.codes, 40, 9)
    assert [each["feature"] for each in found] == [
        each["feature"] for each in active_features(dictionary, x[0, 1:].float(), 9)
    ]
    among = torch.zeros(40, dtype=torch.bool)
    among[[found[1]["feature"], found[3]["feature"]]] = True
    assert strongest(read.codes, 40, 9, among=among.numpy()) == [found[1], found[3]]
