"""Copies of a model leave it alone."""

import torch

from monoscope.evaluate.analyses.copies import in_float32, with_shuffled_weights
from monoscope.models import LanguageModel


def test_every_matrix_keeps_its_numbers_and_loses_their_order(tiny_gpt2: LanguageModel) -> None:
    before = {name: each.clone() for name, each in tiny_gpt2.model.named_parameters()}
    shuffled = with_shuffled_weights(tiny_gpt2, 0)
    for name, parameter in shuffled.model.named_parameters():
        same = torch.equal(parameter, before[name])
        assert same == (parameter.ndim < 2), name
        assert torch.equal(parameter.flatten().sort().values, before[name].flatten().sort().values)
    tied = shuffled.model.get_output_embeddings().weight
    assert tied.data_ptr() == shuffled.model.get_input_embeddings().weight.data_ptr()
    assert all(torch.equal(each, before[name]) for name, each in tiny_gpt2.model.named_parameters())
    again = with_shuffled_weights(tiny_gpt2, 0).unembedding()
    assert torch.equal(again, shuffled.unembedding())
    assert not torch.equal(with_shuffled_weights(tiny_gpt2, 1).unembedding(), again)


def test_a_model_in_full_precision_is_itself(tiny_gpt2: LanguageModel) -> None:
    assert in_float32(tiny_gpt2) is tiny_gpt2
