"""What a model wrote is read again as it was written."""

import pytest
import torch

from monoscope.intervene import Add, Clamp, Rule, Scope, steer
from monoscope.intervene import written as module
from monoscope.intervene.likelihood import continuation_divergence
from monoscope.intervene.written import Block, Written, blocks, log_probabilities, mean_codes, written
from monoscope.models import edit
from monoscope.models.decoding import Request, continue_tokens
from monoscope.models.sampling import Sampling

PROMPTS = ["Once upon a time", "The", "Fog comes in from the sea"]
TEXTS = [" there was a king.", " bridge", " and hides the towers of the old bridge."]


def test_blocks_hold_every_text_once_and_say_what_was_written(tiny_llama, monkeypatch):
    texts = written(tiny_llama, [*PROMPTS, "The"], [*TEXTS, ""])
    assert len(texts) == 3
    monkeypatch.setattr(module, "BATCH", 2)
    made = list(blocks(tiny_llama, texts))
    assert [each for block in made for each in block.texts] == texts
    block = made[0]
    assert block.was_written.sum(dim=1).tolist() == [len(each.tokens) - each.start for each in block.texts]
    assert block.tokens[block.mask > 0].tolist() == [token for each in block.texts for token in each.tokens]
    assert not block.tokens[block.mask == 0].any()
    monkeypatch.setattr(module, "LOGITS", 1)
    assert [len(each.texts) for each in blocks(tiny_llama, texts)] == [1, 1, 1]


def kl_by_hand(lm, prompt, text, steered):
    row, start = lm.tokenize(prompt + text), len(lm.tokenize(prompt))
    clean = lm.forward(row[None])[0].double().softmax(-1)
    with steered():
        pushed = lm.forward(row[None])[0].double().softmax(-1)
    return [
        float((pushed[i - 1] * (pushed[i - 1] / clean[i - 1]).log()).sum()) for i in range(start, len(row))
    ]


@pytest.mark.parametrize("batch", [1, 16])
def test_divergence_is_that_of_the_predictions_on_the_same_text(tiny_llama, topical, monkeypatch, batch):
    monkeypatch.setattr(module, "BATCH", batch)

    def steered():
        return steer(tiny_llama, topical, {5: Clamp(2)})

    each = [
        kl
        for prompt, text in zip(PROMPTS, TEXTS, strict=True)
        for kl in kl_by_hand(tiny_llama, prompt, text, steered)
    ]
    found = continuation_divergence(tiny_llama, PROMPTS, TEXTS, steered)
    assert found == pytest.approx(sum(each) / len(each), rel=1e-4)
    assert found > 0.05
    assert continuation_divergence(tiny_llama, PROMPTS, [""] * 3, steered) is None
    nothing = continuation_divergence(
        tiny_llama, PROMPTS, TEXTS, lambda: steer(tiny_llama, topical, {5: Add(0)})
    )
    assert nothing == pytest.approx(0, abs=1e-6)


def test_an_edit_of_what_was_written_leaves_the_prompt_alone(tiny_llama, topical):
    text = Written(tiny_llama.tokenize(PROMPTS[2] + TEXTS[2]).tolist(), len(tiny_llama.tokenize(PROMPTS[2])))
    short = Written(text.tokens[: text.start + 2], text.start - 1)

    def by_hand(each):
        def push(x):
            pushed = x.clone()
            pushed[:, each.start :] += 3 * topical.directions[5]
            return pushed

        with edit(tiny_llama, {tiny_llama.resolve(topical.site): push}):
            logits = tiny_llama.forward(torch.tensor([each.tokens]))[0]
        return logits[each.start - 1 : len(each.tokens) - 1].log_softmax(-1)

    rule = Rule(edit=Add(value=3), features={5: 1.0}, scope=Scope(part="generated"))
    with steer(tiny_llama, topical, [rule]):
        found = log_probabilities(tiny_llama, Block([text, short]))
    torch.testing.assert_close(found, torch.cat([by_hand(text), by_hand(short)]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("part", ["all", "prompt", "generated"])
def test_the_likeliest_text_is_found_likeliest_when_read_again(tiny_llama, dictionary, live, part):
    rule = Rule(edit=Clamp(4), features={live[0]: 1.0}, scope=Scope(part=part))
    rows = [tiny_llama.tokenize(prompt).tolist() for prompt in PROMPTS]
    with steer(tiny_llama, dictionary, [rule]):
        greedy = Sampling(temperature=0)
        told = continue_tokens(tiny_llama, [Request(prompt=row, n_tokens=8, sampling=greedy) for row in rows])
        texts = [Written(row + new, len(row)) for row, new in zip(rows, told, strict=True)]
        predicted = log_probabilities(tiny_llama, Block(texts)).argmax(-1).tolist()
    assert predicted == [token for each in told for token in each]


@pytest.mark.parametrize("batch", [1, 16])
def test_mean_codes_are_those_of_written_tokens_after_the_edit(tiny_llama, dictionary, monkeypatch, batch):
    monkeypatch.setattr(module, "BATCH", batch)
    site = tiny_llama.resolve(dictionary.site)
    texts = written(tiny_llama, PROMPTS, TEXTS)
    rules = {int(dictionary.max_activation.argmax()): Clamp(2)}
    total, count = torch.zeros(dictionary.n_features, dtype=torch.float64), 0
    for each in texts:
        with steer(tiny_llama, dictionary, rules):
            (x,) = tiny_llama.activations(torch.tensor([each.tokens]), [site]).values()
        codes = dictionary.encode(x[0, each.start :])
        total += codes.double().sum(0)
        count += len(codes)
    with steer(tiny_llama, dictionary, rules):
        found = mean_codes(tiny_llama, dictionary, site, texts)
    torch.testing.assert_close(found, total / count, rtol=1e-4, atol=1e-5)
