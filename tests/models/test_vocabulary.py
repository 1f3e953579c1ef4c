import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from conftest import TEXT, tiny_tokenizer
from monoscope.models.vocabulary import readable_tokens


@pytest.fixture(scope="module")
def byte_level() -> Tokenizer:
    return tiny_tokenizer("llama").backend_tokenizer


@pytest.fixture(scope="module")
def sentence_piece() -> Tokenizer:
    pieces = ["<unk>", "▁the", "▁", "the", "a", "<0xE2>", "<0x0A>", "▁a"]
    tokenizer = Tokenizer(
        models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


@given(text=st.sampled_from(TEXT) | st.text(st.characters(codec="ascii")))
def test_the_readable_tokens_of_a_text_join_to_the_text(byte_level: Tokenizer, text: str) -> None:
    assert "".join(readable_tokens(byte_level, byte_level.encode(text).ids)) == text


def test_spaces_in_front_are_kept(byte_level: Tokenizer, sentence_piece: Tokenizer) -> None:
    ids = byte_level.encode("The old bridge").ids
    assert readable_tokens(byte_level, ids)[-1] == " bridge"
    assert readable_tokens(sentence_piece, [1, 2, 3]) == [" the", " ", "the"]


def test_bytes_that_are_no_character_are_written_as_numbers(
    byte_level: Tokenizer, sentence_piece: Tokenizer
) -> None:
    assert readable_tokens(byte_level, byte_level.encode("€").ids) == ["<0xE2>", "<0x82>", "<0xAC>"]
    assert readable_tokens(sentence_piece, [5, 6]) == ["<0xE2>", "\n"]


def test_special_tokens_keep_their_name_and_absent_ones_their_number(byte_level: Tokenizer) -> None:
    assert readable_tokens(byte_level, [0, 1, 99_999]) == ["<|begin|>", "<|end|>", "<99999>"]
