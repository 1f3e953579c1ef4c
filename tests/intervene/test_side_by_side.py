import pytest
import torch

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import UnknownName, WrongUse
from monoscope.intervene import Add, Clamp, Rule, Scope, side_by_side, steer
from monoscope.models import LanguageModel, read
from monoscope.models.reading import Reading

PROMPT = "The old harbour"
DRAWN = {"n_tokens": 12, "temperature": 1.0, "seed": 2}


def sides_of(live: list[int]) -> dict:
    written = Scope(part="generated")
    return {
        "default": [],
        "clamped": {live[0]: Clamp(3)},
        "later": [Rule(edit=Add(2), features={live[1]: 1.0}, scope=written)],
    }


@pytest.mark.parametrize("stop", [[], ["e"]])
def test_every_side_is_what_it_is_alone(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int], stop: list[str]
) -> None:
    sides = sides_of(live)
    told = list(side_by_side(tiny_llama, dictionary, PROMPT, sides, stop=stop, watch=live[:2], **DRAWN))
    for name, rules in sides.items():
        with steer(tiny_llama, dictionary, rules):
            alone = tiny_llama.generate(PROMPT, stop=stop, **DRAWN)
        assert "".join(each.step.text for each in told if each.side == name) == alone
        assert [each.step.finish for each in told if each.side == name][-1] in ("stop", "length")


def test_watched_features_are_those_of_the_whole_text_read_again(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    lm, watch = tiny_llama, live[:3]
    prompt = lm.tokenize(PROMPT).tolist()
    sides = sides_of(live)
    told = list(side_by_side(lm, dictionary, prompt, sides, watch=watch, **DRAWN))
    for name, rules in sides.items():
        mine = [each for each in told if each.side == name]
        tokens = torch.tensor([prompt + [each.step.drawn.token for each in mine]])
        reading = Reading(
            tokens, torch.arange(tokens.shape[1])[None], torch.tensor([len(prompt)]), lm.special_ids
        )
        with steer(lm, dictionary, rules), lm.reads(reading), read(lm, [dictionary.site]) as values:
            lm.model(input_ids=tokens)
        (x,) = values.values()
        expected = dictionary.encode(x.float())[0, len(prompt) - 1 : -1, watch]
        torch.testing.assert_close(
            torch.tensor([each.codes for each in mine]), expected, rtol=1e-3, atol=1e-4
        )


def test_what_cannot_be_written(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    with pytest.raises(WrongUse, match="no side"):
        side_by_side(tiny_llama, dictionary, PROMPT, {})
    with pytest.raises(WrongUse, match="without a dictionary"):
        side_by_side(tiny_llama, None, PROMPT, {"default": []}, watch=live[:1])
    with pytest.raises(UnknownName, match="9999"):
        side_by_side(tiny_llama, dictionary, PROMPT, {"default": []}, watch=[9999])
    with pytest.raises(UnknownName, match="9999"):
        side_by_side(tiny_llama, dictionary, PROMPT, {"steered": {9999: Clamp(value=1.0)}})
