import math

import pytest
import torch

from monoscope.intervene.likelihood import continuation_perplexity, token_losses

PROMPTS = ["Once upon a time", "The", "Fog comes in from the sea"]
CONTINUATIONS = [" there was a king.", " bridge", " and hides the towers of the old bridge."]


def test_losses_are_those_of_the_next_token(tiny_llama):
    tokens = torch.randint(2, 400, (2, 7), generator=torch.Generator().manual_seed(0))
    log_p = tiny_llama.forward(tokens).log_softmax(-1)
    losses = token_losses(tiny_llama, tokens)
    for row in range(2):
        for i in range(6):
            assert float(losses[row, i]) == pytest.approx(-float(log_p[row, i, tokens[row, i + 1]]), abs=1e-5)


@pytest.mark.parametrize("model", ["tiny_llama", "tiny_gpt2"])
def test_perplexity_is_that_of_the_continuation_alone(model, request):
    lm = request.getfixturevalue(model)
    total, count = 0.0, 0
    for prompt, continuation in zip(PROMPTS, CONTINUATIONS, strict=True):
        start, row = len(lm.tokenize(prompt)), lm.tokenize(prompt + continuation)
        assert row[:start].tolist() == lm.tokenize(prompt).tolist()
        log_p = lm.forward(row[None])[0].log_softmax(-1)
        for i in range(start, len(row)):
            total -= float(log_p[i - 1, row[i]])
            count += 1
    expected = math.exp(total / count)
    for batch in (1, 2, 16):
        found = continuation_perplexity(lm, PROMPTS, CONTINUATIONS, batch=batch)
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_token_across_the_border_counts_with_the_continuation(tiny_llama):
    # "bri" + "dge" is tokenised as the word it makes.
    whole = tiny_llama.tokenize("The bridge")
    kept = 0
    for a, b in zip(whole.tolist(), tiny_llama.tokenize("The bri").tolist(), strict=False):
        if a != b:
            break
        kept += 1
    log_p = tiny_llama.forward(whole[None])[0].log_softmax(-1)
    mean = -sum(float(log_p[i - 1, whole[i]]) for i in range(kept, len(whole))) / (len(whole) - kept)
    assert continuation_perplexity(tiny_llama, ["The bri"], ["dge"]) == pytest.approx(
        math.exp(mean), rel=1e-4
    )


def test_what_writes_nothing_has_no_perplexity(tiny_llama):
    assert continuation_perplexity(tiny_llama, ["The"], [""]) is None
    alone = continuation_perplexity(tiny_llama, PROMPTS[:1], CONTINUATIONS[:1])
    with_silence = continuation_perplexity(tiny_llama, [PROMPTS[0], "The"], [CONTINUATIONS[0], ""])
    assert with_silence == pytest.approx(alone, rel=1e-5)


def test_text_beyond_the_context_is_left_out(tiny_llama):
    long = " bridge" * 200
    assert len(tiny_llama.tokenize(long)) > tiny_llama.context
    row = tiny_llama.tokenize("The" + long)[: tiny_llama.context]
    start = len(tiny_llama.tokenize("The"))
    log_p = tiny_llama.forward(row[None])[0].log_softmax(-1)
    mean = -sum(float(log_p[i - 1, row[i]]) for i in range(start, len(row))) / (len(row) - start)
    assert continuation_perplexity(tiny_llama, ["The"], [long]) == pytest.approx(math.exp(mean), rel=1e-4)
