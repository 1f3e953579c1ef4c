from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from monoscope.models import LanguageModel
from monoscope.models.streaming import TextStream, token_bytes


@dataclass
class Only:
    """A tokenizer without a model."""

    tokenizer: Any

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.backend_tokenizer.decode(list(ids), skip_special_tokens=True)


def falling_back() -> Only:
    """A tokenizer like Llama 2's: spaces as marks, unknown characters as single bytes."""
    pieces = ["<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", "a", "b", "▁a", "▁b", "ab", "€", "\N{REPLACEMENT CHARACTER}", "<s", ">"]
    tokenizer = Tokenizer(
        models.BPE({piece: number for number, piece in enumerate(pieces)}, [], byte_fallback=True)
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return Only(PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"))


FALLING_BACK = falling_back()


def whole(lm: Any, prompt: Sequence[int], written: Sequence[int], stop: Sequence[str]) -> str:
    """The continuation decoded at once, cut at the first stop string."""
    text = lm.decode([*prompt, *written])[len(lm.decode(prompt)) :]
    return text[: min([place for each in stop if (place := text.find(each)) >= 0], default=len(text))]


def streamed(stream: TextStream, written: Sequence[int]) -> str:
    return "".join([*(stream.take(token) for token in written), stream.finish()])


STOPS = st.lists(st.text("ab e€�", min_size=1, max_size=3), max_size=3)


@settings(max_examples=150)
@given(st.data())
def test_the_pieces_are_the_whole(tiny_llama: LanguageModel, data: st.DataObject) -> None:
    # Mostly single bytes, so that characters are split, left incomplete and spoilt; and numbers that no token has.
    tokens = st.lists(st.integers(0, 260) | st.integers(0, 450), max_size=24)
    prompt, written = data.draw(tokens), data.draw(tokens)
    text = tiny_llama.decode(written)
    stop = data.draw(STOPS | st.lists(st.sampled_from(text or "a"), max_size=2))
    stream = TextStream(tiny_llama, prompt, stop)
    assert streamed(stream, written) == whole(tiny_llama, prompt, written, stop)


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 267) | st.sampled_from([228, 132, 174, 258, 261]), max_size=8),
    st.lists(st.integers(0, 267) | st.sampled_from([228, 132, 174, 258, 261, 259]), max_size=16),
    STOPS,
)
def test_the_pieces_are_the_whole_with_bytes_to_fall_back_on(
    prompt: list[int], written: list[int], stop: list[str]
) -> None:
    stream = TextStream(FALLING_BACK, prompt, stop)
    assert streamed(stream, written) == whole(FALLING_BACK, prompt, written, stop)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_comes_back(tiny_llama: LanguageModel, prompt: str, text: str) -> None:
    encode = tiny_llama.tokenizer.backend_tokenizer.encode
    ids = encode(text, add_special_tokens=False).ids
    stream = TextStream(tiny_llama, tiny_llama.tokenize(prompt).tolist())
    assert streamed(stream, ids) == text


def byte_tokens(lm: LanguageModel, text: str) -> list[int]:
    """One token for each byte."""
    from monoscope.models.vocabulary import BYTES

    character = {byte: character for character, byte in BYTES.items()}
    return [lm.tokenizer.backend_tokenizer.token_to_id(character[byte]) for byte in text.encode()]


def test_text_comes_as_soon_as_it_is_certain(tiny_llama: LanguageModel) -> None:
    stream = TextStream(tiny_llama, tiny_llama.tokenize("Fog").tolist(), ["€!!"])
    pieces = [stream.take(token) for token in byte_tokens(tiny_llama, " a€b€!c€!!")]
    assert pieces == [" ", "a", "", "", "", "€b", "", "", "", "", "€!c", "", "", "", "", ""]
    assert stream.stopped
    assert stream.take(20) == stream.finish() == ""


def test_a_stop_string_inside_one_that_began_earlier_waits_for_it(tiny_llama: LanguageModel) -> None:
    prompt = tiny_llama.tokenize("Fog").tolist()
    for text, expected in {"xabcd": "x", "xabce": "xa"}.items():
        stream = TextStream(tiny_llama, prompt, ["bc", "abcd"])
        tokens = byte_tokens(tiny_llama, text)
        assert "".join(stream.take(token) for token in tokens[:-1]) == "x"
        assert not stream.stopped
        assert "x" + stream.take(tokens[-1]) == expected
        assert stream.stopped


@pytest.mark.parametrize("repeated", ["\x80", "\xe2", "a", "€"])
def test_a_token_costs_the_same_after_many(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch, repeated: str
) -> None:
    decoded: list[int] = []
    decode: Callable[[Sequence[int]], str] = tiny_llama.decode
    monkeypatch.setattr(tiny_llama, "decode", lambda ids: decoded.append(len(ids)) or decode(ids))
    if repeated == "€":
        tokens = byte_tokens(tiny_llama, repeated)
    else:
        from monoscope.models.vocabulary import BYTES

        character = next(each for each, byte in BYTES.items() if byte == ord(repeated))
        tokens = [tiny_llama.tokenizer.backend_tokenizer.token_to_id(character)]
    stream = TextStream(tiny_llama, tiny_llama.tokenize("a" * 200).tolist(), ["zzzz"])
    decoded.clear()
    for _ in range(200):
        for token in tokens:
            stream.take(token)
    assert max(decoded) <= 6
    assert len(decoded) <= 4 * 200 * len(tokens)


def test_each_token_begins_where_those_before_it_end(tiny_llama: LanguageModel) -> None:
    prompt = tiny_llama.tokenize("Fog").tolist()
    stream = TextStream(tiny_llama, prompt, ["zzz"])
    tokens = byte_tokens(tiny_llama, "a€")[:-1] + byte_tokens(tiny_llama, "zz")
    places = []
    for token in tokens:
        places.append(stream.length)
        stream.take(token)
    assert places == [0, 1, 2, 2, 3]


def test_bytes_of_tokens(tiny_llama: LanguageModel) -> None:
    raw = [token_bytes(tiny_llama, token) for token in byte_tokens(tiny_llama, "a€")]
    assert b"".join(each or b"" for each in raw) == "a€".encode()
    whole = [token_bytes(tiny_llama, int(token)) for token in tiny_llama.tokenize(" bridge", bos=False)]
    assert b"".join(each or b"" for each in whole) == b" bridge"
    assert token_bytes(tiny_llama, 0) is None
    assert token_bytes(tiny_llama, 5000) is None
    assert token_bytes(FALLING_BACK, 2 + 0xE2) == b"\xe2"
    assert token_bytes(FALLING_BACK, 261) == b" a"
