import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, TopK
from monoscope.errors import BrokenInput, UnknownName, WrongUse
from monoscope.intervene.edits import Ablate, Add, Clamp, Edit, Scale
from monoscope.intervene.steer import edit_function

D_MODEL, N_FEATURES = 16, 40

strengths = st.floats(-10, 10, allow_nan=False, width=32)
edits_of_one_feature = st.one_of(
    st.builds(Clamp, strengths),
    st.builds(lambda value: Clamp(value=value), strengths),
    st.builds(Add, strengths),
    st.builds(Scale, strengths),
    st.just(Ablate()),
)
several_edits = st.dictionaries(st.integers(0, N_FEATURES - 1), edits_of_one_feature, min_size=1, max_size=5)


def random_dictionary(seed: int, sparsifier: TopK | ReLU) -> SparseAutoencoder:
    dictionary = SparseAutoencoder.initialise(
        D_MODEL, AutoencoderOptions(n_features=N_FEATURES, sparsifier=sparsifier), seed=seed
    )
    generator = torch.Generator().manual_seed(seed)
    dictionary.encoder += 0.2 * torch.randn(D_MODEL, N_FEATURES, generator=generator)
    dictionary.bias += torch.randn(D_MODEL, generator=generator)
    dictionary.max_activation.copy_(0.5 + torch.rand(N_FEATURES, generator=generator))
    return dictionary


def activations(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, D_MODEL, generator=torch.Generator().manual_seed(seed + 1))


def by_hand(dictionary: SparseAutoencoder, edits: Mapping[int, Edit], x: Tensor) -> Tensor:
    """Replace the codes in the reconstruction and add the error back."""
    codes = dictionary.encode(x)
    error = x - (codes @ dictionary.decoder + dictionary.bias)
    changed = codes.clone()
    for feature, edit in edits.items():
        largest = float(dictionary.max_activation[feature])
        match edit:
            case Clamp(value=None):
                changed[..., feature] = edit.multiple * largest
            case Clamp():
                changed[..., feature] = edit.value
            case Add():
                changed[..., feature] = codes[..., feature] + edit.multiple * largest
            case Scale():
                changed[..., feature] = codes[..., feature] * edit.factor
            case Ablate():
                changed[..., feature] = 0
    return changed @ dictionary.decoder + dictionary.bias + error


@settings(max_examples=40)
@given(
    seed=st.integers(0, 50),
    edits=several_edits,
    relu=st.booleans(),
    shape=st.sampled_from([(), (7,), (2, 5)]),
)
def test_edits_replace_codes_jointly_and_keep_the_error(seed, edits, relu, shape):
    dictionary = random_dictionary(seed, ReLU() if relu else TopK(6))
    x = activations(seed, *shape)
    torch.testing.assert_close(
        edit_function(dictionary, edits)(x), by_hand(dictionary, edits, x), rtol=1e-5, atol=1e-4
    )


@settings(max_examples=40)
@given(seed=st.integers(0, 50), edits=several_edits)
def test_several_edits_are_the_sum_of_each_ones_change(seed, edits):
    dictionary = random_dictionary(seed, TopK(6))
    x = activations(seed, 9)
    changes = [edit_function(dictionary, {feature: edit})(x) - x for feature, edit in edits.items()]
    torch.testing.assert_close(edit_function(dictionary, edits)(x) - x, sum(changes), rtol=1e-5, atol=1e-4)


def test_an_edit_reads_the_activation_before_the_other_edits():
    # Feature 1 reads what feature 0 writes: one after the other would give another result.
    eye = torch.eye(2)
    dictionary = SparseAutoencoder(
        AutoencoderOptions(n_features=2, sparsifier=ReLU()),
        encoder=torch.tensor([[1.0, 1.0], [0.0, 1.0]]),
        encoder_bias=torch.zeros(2),
        decoder=eye,
        bias=torch.zeros(2),
    )
    x = torch.tensor([[1.0, 2.0]])  # codes 1 and 3
    result = edit_function(dictionary, {0: Clamp(value=5), 1: Scale(2)})(x)
    assert result.tolist() == [[5.0, 5.0]]  # not [5, 2 + 7]


@settings(max_examples=40)
@given(seed=st.integers(0, 50), feature=st.integers(0, N_FEATURES - 1))
def test_edits_that_change_nothing_return_the_same_bits(seed, feature):
    dictionary = random_dictionary(seed, TopK(6))
    x = activations(seed, 11)
    assert edit_function(dictionary, {})(x) is x
    assert torch.equal(edit_function(dictionary, {feature: Scale(1)})(x), x)
    assert torch.equal(edit_function(dictionary, {feature: Add(0)})(x), x)
    own = float(dictionary.encode(x[:1])[0, feature])
    torch.testing.assert_close(
        edit_function(dictionary, {feature: Clamp(value=own)})(x[:1]), x[:1], rtol=0, atol=1e-6
    )


def test_ways_to_say_the_same():
    dictionary = random_dictionary(0, TopK(6))
    x = activations(0, 50)
    feature = int(dictionary.encode(x).sum(0).argmax())
    largest = float(dictionary.max_activation[feature])

    def edited(edit: Edit) -> Tensor:
        return edit_function(dictionary, {feature: edit})(x)

    off = edited(Ablate())
    assert not torch.equal(off, x)
    for same in (Clamp(value=0), Clamp(0), Scale(0)):
        assert torch.equal(edited(same), off)
    assert torch.equal(edited(Clamp(3)), edited(Clamp(value=3 * largest)))
    shift = 2.5 * largest * dictionary.decoder[feature]
    torch.testing.assert_close(edited(Add(2.5)), x + shift, rtol=0, atol=1e-5)


def test_half_precision_comes_back_and_is_computed_in_float32():
    dictionary = random_dictionary(3, TopK(6))
    x = activations(3, 20).bfloat16()
    edits = {2: Clamp(4), 7: Ablate()}
    result = edit_function(dictionary, edits)(x)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, edit_function(dictionary, edits)(x.float()).bfloat16())


@pytest.mark.parametrize("number", [-1, N_FEATURES, 10**9])
def test_a_feature_that_is_not_there(number):
    with pytest.raises(UnknownName, match=f"{number} is no feature") as caught:
        edit_function(random_dictionary(0, TopK(6)), {number: Ablate()})
    assert f"0 to {N_FEATURES - 1}" in caught.value.hint


def test_a_dead_feature_has_no_multiples():
    dictionary = random_dictionary(0, TopK(6))
    dictionary.max_activation[4] = 0
    for edit in (Clamp(10), Add(1), Clamp(0)):
        with pytest.raises(WrongUse, match="feature 4 never fired"):
            edit_function(dictionary, {4: edit})
    for edit in (Clamp(value=2), Scale(3), Ablate()):
        edit_function(dictionary, {4: edit})(activations(0, 3))


def test_a_dictionary_that_was_never_measured_says_so():
    dictionary = random_dictionary(0, TopK(6))
    dictionary.max_activation.zero_()
    with pytest.raises(BrokenInput, match="does not know the largest activation"):
        edit_function(dictionary, {4: Clamp(10)})


def test_strengths_that_are_none():
    with pytest.raises(WrongUse, match="multiple=None, value=None"):
        Clamp()
    with pytest.raises(WrongUse, match="multiple=1, value=2"):
        Clamp(1, value=2)
    for make in (Clamp, Add, Scale, lambda number: Clamp(value=number)):
        for number in (math.nan, math.inf, -math.inf):
            with pytest.raises(WrongUse, match="no strength"):
                make(number)
