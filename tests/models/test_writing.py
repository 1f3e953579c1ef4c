import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monoscope.errors import BrokenInput, WrongUse
from monoscope.models import LanguageModel, Sampling, edit
from monoscope.models.writing import Writer, requests_for, write

PROMPTS = ["The old harbour", "A map of the northern roads and rivers", "Fog"]
ONCE = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def drawn(lm: LanguageModel, n_tokens: int = 24) -> dict:
    return {"n_tokens": n_tokens, "temperature": 1.0, "seed": 3}


def test_a_stream_is_what_generate_gives(tiny_llama: LanguageModel) -> None:
    for prompt in PROMPTS:
        pieces = list(tiny_llama.stream(prompt, **drawn(tiny_llama)))
        assert "".join(pieces) == tiny_llama.generate(prompt, **drawn(tiny_llama))
        assert len(pieces) > 3


@ONCE
@given(start=st.integers(0, 30), length=st.integers(1, 6), number=st.integers(0, 2))
def test_a_text_ends_before_the_first_stop_string(
    tiny_llama: LanguageModel, start: int, length: int, number: int
) -> None:
    whole = tiny_llama.generate(PROMPTS, **drawn(tiny_llama))
    text = whole[number]
    stop = text[start : start + length] or "\N{SNOWMAN}"
    cut = [each.split(stop)[0] for each in whole]
    assert tiny_llama.generate(PROMPTS, stop=[stop], **drawn(tiny_llama)) == cut
    assert "".join(tiny_llama.stream(PROMPTS[0], stop=[stop], **drawn(tiny_llama))) == cut[0]


def test_one_prompt_gives_a_text_and_none_gives_none(tiny_llama: LanguageModel) -> None:
    assert tiny_llama.generate("Fog", stop=["e"], n_tokens=9).count("e") == 0
    assert tiny_llama.generate([], stop=["e"]) == tiny_llama.generate([]) == []


def test_a_stopped_text_takes_no_more_steps(tiny_llama: LanguageModel) -> None:
    sampling = Sampling(temperature=1.0)
    requests = requests_for(tiny_llama, PROMPTS, n_tokens=24, sampling=sampling, seed=3)
    first = tiny_llama.generate(PROMPTS[0], **drawn(tiny_llama))
    steps = [number for number, _ in write(tiny_llama, requests, [first[4:7]])]
    assert steps.count(0) < steps.count(1) == 24


def test_whoever_leaves_is_told_nothing_more(tiny_llama: LanguageModel) -> None:
    writer = Writer(tiny_llama)
    sampling = Sampling(temperature=1.0)
    one, other = (
        writer.join(each)
        for each in requests_for(tiny_llama, PROMPTS[:2], n_tokens=6, sampling=sampling, seed=3)
    )
    assert {text for text, _ in writer.step()} == {one, other}
    writer.leave(one)
    assert {text for text, _ in writer.step()} == {other}
    assert writer.decoder.texts == [other]


def test_logits_that_are_no_numbers_end_it(tiny_llama: LanguageModel) -> None:
    with edit(tiny_llama, {tiny_llama.sites()[-1]: lambda x: x * float("nan")}):
        for stop in ([], ["e"]):
            with pytest.raises(BrokenInput, match="not finite"):
                tiny_llama.generate("Fog", stop=stop)


@pytest.mark.parametrize("options", [{"n_tokens": 0}, {"seed": -1}, {"n_tokens": 10**6}])
def test_what_cannot_be_asked_for(tiny_llama: LanguageModel, options: dict) -> None:
    with pytest.raises(WrongUse):
        tiny_llama.generate("Fog", **options)
    with pytest.raises(WrongUse):
        tiny_llama.stream("Fog", **options)
