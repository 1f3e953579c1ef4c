"""Judges: words, the next token, and programs of one's own."""

import sys

import pytest
import torch

from monoscope.errors import BrokenInput, MissingInput, WrongUse
from monoscope.intervene import Clamp, Rule, Topic, steer
from monoscope.intervene.judges import CommandJudge, Judge, TargetLogits, TopicJudge
from monoscope.intervene.trial import Trial

PROMPTS = ("Once upon a time", "The", "Fog comes in from the sea")


def trial_of(lm, dictionary, *rules: Rule) -> Trial:
    return Trial(
        lm=lm, dictionary=dictionary, rules=rules, prompts=PROMPTS, n_tokens=6, temperature=0.8, seed=2
    )


@pytest.fixture
def pushed(tiny_llama, topical) -> Trial:
    return trial_of(tiny_llama, topical, Rule(edit=Clamp(5), features={5: 1.0}))


@pytest.fixture
def plain(tiny_llama) -> Trial:
    return trial_of(tiny_llama, None)


def test_all_are_judges() -> None:
    for judge in (TopicJudge(["sea"]), TargetLogits([1]), CommandJudge(["judge"])):
        assert isinstance(judge, Judge)


def test_a_trial_writes_when_asked_and_what_steering_writes(tiny_llama, topical, pushed, plain) -> None:
    assert "samples" not in vars(pushed)
    samples = list(pushed.samples)
    with steer(tiny_llama, topical, {5: Clamp(5)}):
        assert samples == tiny_llama.generate(PROMPTS, n_tokens=6, seed=2)
    assert list(plain.samples) == tiny_llama.generate(PROMPTS, n_tokens=6, seed=2)


def test_words_are_found_and_counted(pushed, plain) -> None:
    judge, topic = TopicJudge(["sea"]), Topic(["sea"])
    assert judge(pushed) == [topic.mentioned(sample) for sample in pushed.samples]
    assert sum(judge(pushed)) > sum(judge(plain))
    assert judge.rate(["the sea, the sea", "a dog"]) == 2 / 6
    assert judge.rate(["", "..."]) == 0
    with pytest.raises(WrongUse):
        TopicJudge([])


def test_target_logits_are_the_change_of_the_summed_probability(tiny_llama, topical, pushed, plain) -> None:
    words = tiny_llama.vocabulary_strings()
    judge = TargetLogits([words.index(" sea"), words.index(" water")])
    assert judge(plain) == [0, 0, 0]
    expected = []
    for prompt in PROMPTS:
        row = tiny_llama.tokenize(prompt)[None]
        clean = tiny_llama.forward(row)[0, -1].double().softmax(-1)[list(judge.tokens)].sum().log()
        with pushed.steered():
            steered = tiny_llama.forward(row)[0, -1].double().softmax(-1)[list(judge.tokens)].sum().log()
        expected.append(float(steered - clean))
    torch.testing.assert_close(torch.tensor(judge(pushed)), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    assert min(expected) > 0
    assert "samples" not in vars(pushed)


def test_target_tokens_by_their_text(tiny_llama) -> None:
    words = tiny_llama.vocabulary_strings()
    assert TargetLogits.of(tiny_llama, [" sea", " bridge"]).tokens == tuple(
        sorted(words.index(word) for word in (" sea", " bridge"))
    )
    with pytest.raises(WrongUse, match="no single token"):
        TargetLogits.of(tiny_llama, [" xylophone"])
    with pytest.raises(WrongUse, match="no target"):
        TargetLogits([])


def test_targets_that_are_no_tokens(plain) -> None:
    with pytest.raises(WrongUse, match="no token of"):
        TargetLogits([4000])(plain)


def program(text: str) -> CommandJudge:
    return CommandJudge([sys.executable, "-c", text])


def test_a_program_reads_samples_and_writes_numbers(pushed) -> None:
    judge = program(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    told = json.loads(line)\n"
        "    print(len(told['prompt']) + 1000 * len(told['text']))\n"
    )
    expected = [len(p) + 1000 * len(s) for p, s in zip(pushed.prompts, pushed.samples, strict=True)]
    assert judge(pushed) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print(1)", "wrote 1 lines for 3 samples"),
        ("print('1\\n2\\nmany')", "wrote 'many' on line 3"),
        ("print('1\\nnan\\n3')", "wrote 'nan' on line 2"),
        ("import sys; sys.exit('no such scale')", "ended with status 1: no such scale"),
    ],
)
def test_a_program_that_does_not_do_its_work(plain, text, said) -> None:
    with pytest.raises(BrokenInput, match=said):
        program(text)(plain)


def test_a_program_that_is_not_there_or_does_not_end(plain) -> None:
    with pytest.raises(MissingInput, match="cannot be started"):
        CommandJudge(["/nowhere/judge"])(plain)
    slow = "import sys, time; print('thinking', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(BrokenInput, match=r"took more than 1\.5 seconds: thinking"):
        CommandJudge([sys.executable, "-c", slow], limit=1.5)(plain)
    with pytest.raises(WrongUse, match="no program"):
        CommandJudge([])
    with pytest.raises(WrongUse, match="no program"):
        CommandJudge("judge --fast")
