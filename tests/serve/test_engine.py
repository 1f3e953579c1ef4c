import asyncio
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput, UnknownName, WrongUse
from monoscope.intervene import Ablate, Add, Clamp, EachSteered, Rule, Scale, Scope, steer
from monoscope.models import LanguageModel
from monoscope.models.decoding import Decoder, Request, Text
from monoscope.models.sampling import Sampling
from monoscope.models.writing import Step
from monoscope.serve.engine import Closed, Engine, EngineOptions, Full

WORDS = "the old bridge crosses water fog comes in from sea and hides towers".split()


def rule(feature: int, edit: Clamp | Add | Scale | Ablate, scope: str = "all", **more: object) -> Rule:
    return Rule(edit=edit, features={feature: 1.0}, scope=Scope.parse(scope), **more)


def request(lm: LanguageModel, prompt: str = "The old", **more: object) -> Request:
    return Request(prompt=lm.tokenize(prompt).tolist(), **({"n_tokens": 8, "tag": ()} | more))


def text_of(told: Iterable[Step]) -> str:
    return "".join(each.text for each in told)


def many(lm: LanguageModel, live: list[int], count: int) -> list[Request]:
    """Requests that differ in everything."""
    edits = [Clamp(3), Add(-2), Scale(4), Ablate(), Clamp(value=2.5)]
    scopes = ["all", "generated", "prompt", "first:2", "1:6", "generated,text"]
    return [
        request(
            lm,
            " ".join(WORDS[: 1 + i % len(WORDS)]),
            n_tokens=6 + i % 7,
            sampling=Sampling(temperature=[0.0, 0.8, 1.2][i % 3], top_p=[1.0, 0.9][i % 2]),
            seed=(i, 0),
            ends=lm.ends,
            tag=tuple(
                rule(live[(i + j) % len(live)], edits[(i + j) % len(edits)], scopes[i % len(scopes)])
                for j in range(i % 4)
            ),
        )
        for i in range(count)
    ]


def test_64_streams_with_64_steerings_are_each_what_they_are_alone(
    engine: Engine, tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    requests = many(tiny_llama, live, 64)
    handles = [engine.submit(each) for each in requests]
    found = [text_of(handle) for handle in handles]
    engine.close()
    expected, plain = [], []
    for each in requests:
        options = {
            "n_tokens": each.n_tokens,
            "temperature": each.sampling.temperature,
            "top_p": each.sampling.top_p,
            "seed": each.seed[0],
        }
        prompt = tiny_llama.decode(each.prompt)
        plain.append(tiny_llama.generate(prompt, **options))
        with steer(tiny_llama, dictionary, each.tag):
            expected.append(tiny_llama.generate(prompt, **options))
    assert found == expected
    assert sum(one != other for one, other in zip(expected, plain, strict=True)) > 30


def test_texts_that_wait_for_a_slot_are_what_they_are_alone(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    requests = many(tiny_llama, live, 20)
    steered = EachSteered(tiny_llama, dictionary)
    with Engine(tiny_llama, steered, EngineOptions(slots=3)) as narrow:
        found = [text_of(handle) for handle in [narrow.submit(each) for each in requests]]
    with Engine(tiny_llama, steered) as wide:
        assert found == [text_of(wide.submit(each)) for each in requests]


def test_steering_leaves_the_bits_of_the_other_rows(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    steered = EachSteered(tiny_llama, dictionary)
    strong = (rule(live[0], Clamp(1e4)), rule(live[1], Scale(-1e6)), rule(live[2], Add(50), "generated"))
    steered.check(strong)

    def run(first: tuple[Rule, ...]) -> list[torch.Tensor]:
        decoder = Decoder(tiny_llama, around=steered)
        texts = [decoder.join(request(tiny_llama, "The old", tag=tag)) for tag in (first, (), None)]
        logits = [decoder.run(texts, None)]
        decoder.step()
        logits.append(decoder.run(texts, decoder.past))
        return logits

    for with_rules, without in zip(run(strong), run(()), strict=True):
        assert not torch.equal(with_rules[0], without[0])
        assert torch.equal(with_rules[1:], without[1:])


def test_changes_that_overflow_are_refused(
    engine: Engine, tiny_llama: LanguageModel, live: list[int]
) -> None:
    for edit in (Clamp(1e38), Add(-1e38), Scale(1e31), Clamp(value=1e39)):
        with pytest.raises(WrongUse, match=f"feature {live[0]} by"):
            engine.submit(request(tiny_llama, tag=(rule(live[0], edit),)))
    with pytest.raises(UnknownName, match="9999 is no feature"):
        engine.submit(request(tiny_llama, tag=(rule(9999, Ablate()),)))


def test_stop_strings_end_a_text_and_free_its_slot(engine: Engine, tiny_llama: LanguageModel) -> None:
    full = text_of(engine.submit(request(tiny_llama, n_tokens=40)))
    stop = full[12:15]
    told = list(engine.submit(request(tiny_llama, n_tokens=40), [stop]))
    assert text_of(told) == full[: full.index(stop)]
    assert [each.finish for each in told] == [""] * (len(told) - 1) + ["stop"]
    assert len(told) < 40
    assert not engine.writing


def test_an_end_token_ends_a_text(engine: Engine, tiny_llama: LanguageModel) -> None:
    told = list(engine.submit(request(tiny_llama, n_tokens=20)))
    assert told[-1].finish == "length"
    tokens = [each.drawn.token for each in told if each.drawn]
    assert len(tokens) == 20
    end = next(token for token in tokens[3:] if token not in tokens[:3])
    ended = list(engine.submit(request(tiny_llama, n_tokens=20, ends=frozenset([end]))))
    assert [each.drawn.token for each in ended if each.drawn] == tokens[: tokens.index(end)]
    assert ended[-1] == Step(ended[-1].text, finish="stop")


def test_a_text_that_overflows_fails_alone(
    tiny_llama: LanguageModel,
    dictionary: SparseAutoencoder,
    live: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Engine(tiny_llama, EachSteered(tiny_llama, dictionary)) as engine:
        well = text_of(engine.submit(request(tiny_llama, n_tokens=12)))
        # The logits of one text, and not of those beside it, are no numbers.
        run = engine.writer.decoder.run

        def spoilt(texts: Sequence[Text], past: object) -> torch.Tensor:
            logits = run(texts, past)
            bad = [text.request.seed == (7,) and len(text.written) == 3 for text in texts]
            return torch.where(torch.tensor(bad)[:, None], torch.nan, logits)

        monkeypatch.setattr(engine.writer.decoder, "run", spoilt)
        tags = ((), (rule(live[0], Clamp(2)),), ())
        handles = [
            engine.submit(request(tiny_llama, n_tokens=12, tag=tag, seed=(seed,)))
            for tag, seed in zip(tags, (0, 7, 0), strict=True)
        ]
        assert text_of(handles[0]) == text_of(handles[2]) == well
        with pytest.raises(BrokenInput, match="after 3 tokens are not finite"):
            text_of(handles[1])


def test_leaving_frees_the_slot_before_the_next_step(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder
) -> None:
    steered = EachSteered(tiny_llama, dictionary)
    with Engine(tiny_llama, steered, EngineOptions(slots=1, queue=1)) as engine:
        first = engine.submit(request(tiny_llama, n_tokens=100))
        iterator = iter(first)
        next(iterator)
        second = engine.submit(request(tiny_llama, n_tokens=3))
        with pytest.raises(Full, match="2 texts are being written or wait"):
            engine.submit(request(tiny_llama))
        first.cancel()
        assert len(list(second)) == 3
        assert engine.n_tokens < 100
        waiting = [engine.submit(request(tiny_llama, n_tokens=100)) for _ in range(2)]
        waiting[1].cancel()
        waiting[0].cancel()
        assert len(list(engine.submit(request(tiny_llama, n_tokens=3)))) == 3


def test_what_does_not_fit_is_refused_whole(tiny_llama: LanguageModel) -> None:
    with Engine(tiny_llama, options=EngineOptions(slots=2, queue=1)) as engine:
        with pytest.raises(Full):
            engine.submit_all([request(tiny_llama, n_tokens=60)] * 4)
        assert not engine.waiting
        assert not engine.writing
        assert len(engine.submit_all([request(tiny_llama, tag=None)] * 3)) == 3
        with pytest.raises(WrongUse, match="no dictionary to steer with"):
            engine.submit(request(tiny_llama, tag=(rule(0, Ablate()),)))


def test_closing_tells_those_who_wait(tiny_llama: LanguageModel) -> None:
    engine = Engine(tiny_llama, options=EngineOptions(slots=1))
    handles = [engine.submit(request(tiny_llama, n_tokens=100)) for _ in range(2)]
    engine.close()
    assert not engine.thread.is_alive()
    for handle in handles:
        with pytest.raises(Closed):
            list(handle)
    with pytest.raises(Closed):
        engine.submit(request(tiny_llama))


def test_a_failing_model_ends_its_texts_and_nothing_else(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine(tiny_llama) as engine:
        well = text_of(engine.submit(request(tiny_llama)))
        with monkeypatch.context() as broken:
            broken.setattr(tiny_llama, "model", None)
            with pytest.raises(Exception, match="the model failed: TypeError"):
                list(engine.submit(request(tiny_llama)))
        assert text_of(engine.submit(request(tiny_llama))) == well


def test_threads_and_event_loops_may_ask(engine: Engine, tiny_llama: LanguageModel) -> None:
    expected = text_of(engine.submit(request(tiny_llama)))
    found: list[str] = []

    def ask() -> None:
        found.append(text_of(engine.submit(request(tiny_llama))))

    async def ask_async() -> str:
        handle = engine.submit(request(tiny_llama), loop=asyncio.get_running_loop())
        return "".join([each.text async for each in handle])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def several() -> list[str]:
        return await asyncio.gather(*(ask_async() for _ in range(4)))

    # In a thread of its own: a browser that other tests drive keeps an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        assert found + pool.submit(asyncio.run, several()).result() == [expected] * 8


def test_an_idle_engine_does_nothing(engine: Engine, tiny_llama: LanguageModel) -> None:
    text_of(engine.submit(request(tiny_llama)))
    waits = 0
    wait = engine.changed.wait

    def counted(timeout: float | None = None) -> bool:
        nonlocal waits
        waits += 1
        return wait(timeout)

    engine.changed.wait = counted
    threading.Event().wait(0.2)
    assert waits <= 1
