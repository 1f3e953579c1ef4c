"""The official client, end to end."""

import openai
import pytest
import torch

from monoscope.dictionaries import SparseAutoencoder
from monoscope.intervene import steer
from monoscope.models import LanguageModel
from serve.conftest import Running, rules_of

PROMPT = "The old bridge"


def test_models_are_listed_with_their_presets(client: openai.OpenAI, server: Running) -> None:
    name = server.served.lm.name
    assert [model.id for model in client.models.list()] == [name, f"{name}:loud"]
    assert client.models.retrieve(f"{name}:loud").id == f"{name}:loud"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("lama")
    assert error.value.code == "model_not_found"


def test_a_completion_is_what_the_model_writes(client: openai.OpenAI, server: Running) -> None:
    lm = server.served.lm
    done = client.completions.create(
        model=lm.name, prompt=PROMPT, max_tokens=12, temperature=0.7, top_p=0.9, seed=3, n=3
    )
    expected = lm.generate([PROMPT] * 3, n_tokens=12, temperature=0.7, top_p=0.9, seed=3)
    assert [choice.text for choice in done.choices] == expected
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    assert done.object == "text_completion"
    assert done.usage is not None
    n_prompt = len(lm.tokenize(PROMPT))
    assert done.usage.prompt_tokens == n_prompt
    assert done.usage.total_tokens == n_prompt + done.usage.completion_tokens
    assert {choice.finish_reason for choice in done.choices} <= {"length", "stop"}


def test_several_prompts_of_texts_and_tokens(client: openai.OpenAI, server: Running) -> None:
    lm = server.served.lm
    prompts = ["The old", "Fog comes in"]
    options = {"model": lm.name, "max_tokens": 6, "seed": 1, "n": 2}
    by_text = client.completions.create(prompt=prompts, **options)
    by_token = client.completions.create(prompt=[lm.tokenize(each).tolist() for each in prompts], **options)
    assert [choice.text for choice in by_text.choices] == [choice.text for choice in by_token.choices]
    expected = lm.generate(["The old"] * 2 + ["Fog comes in"] * 2, n_tokens=6, temperature=1.0, seed=1)
    assert [choice.text for choice in by_text.choices] == expected


@pytest.mark.parametrize("logprobs", [None, 2])
def test_pieces_of_a_completion_are_the_whole(
    client: openai.OpenAI, server: Running, logprobs: int | None
) -> None:
    options = {"model": server.served.lm.name, "prompt": [PROMPT, "Fog"], "max_tokens": 10, "seed": 5, "n": 2}
    options |= {"logprobs": logprobs, "stop": ["e", "o"]}
    whole = client.completions.create(**options)
    pieces = list(client.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    assert pieces[-1].usage == whole.usage
    assert pieces[-1].choices == []
    for choice in whole.choices:
        own = [piece.choices[0] for piece in pieces[:-1] if piece.choices[0].index == choice.index]
        assert "".join(piece.text for piece in own) == choice.text
        assert [piece.finish_reason for piece in own if piece.finish_reason] == [choice.finish_reason]
        if logprobs:
            assert choice.logprobs is not None
            found = [token for piece in own if piece.logprobs for token in piece.logprobs.tokens or []]
            assert found == choice.logprobs.tokens


def test_logprobs_are_those_of_the_model(client: openai.OpenAI, server: Running) -> None:
    lm = server.served.lm
    done = client.completions.create(
        model=lm.name, prompt=PROMPT, max_tokens=8, temperature=0, logprobs=3, echo=False
    )
    chat = client.chat.completions.create(
        model=lm.name,
        messages=[{"role": "user", "content": PROMPT}],
        max_completion_tokens=8,
        temperature=0,
        logprobs=True,
        top_logprobs=3,
    )
    told, told_chat = done.choices[0].logprobs, chat.choices[0].logprobs
    assert told is not None
    assert told_chat is not None
    assert told_chat.content is not None
    prompt = lm.tokenize(PROMPT)
    greedy = []
    row = prompt
    for _ in told.tokens or []:
        logprobs = lm.forward(row[None])[0, -1].log_softmax(dim=-1)
        greedy.append(int(logprobs.argmax()))
        values, tokens = logprobs.topk(3)
        place = len(greedy) - 1
        assert (told.token_logprobs or [])[place] == pytest.approx(float(values[0]), abs=1e-4)
        top = (told.top_logprobs or [])[place]
        assert list(top) == lm.token_strings(tokens)
        assert list(top.values()) == pytest.approx(values.tolist(), abs=1e-4)
        of_chat = told_chat.content[place]
        assert of_chat.logprob == pytest.approx(float(values[0]), abs=1e-4)
        assert [each.token for each in of_chat.top_logprobs] == list(top)
        row = torch.cat([row, tokens[:1]])
    assert told.tokens == lm.token_strings(greedy)
    joined = b"".join(bytes(each.bytes or []) for each in told_chat.content)
    assert joined.decode("utf-8", "replace") == chat.choices[0].message.content
    for offset, token in zip(told.text_offset or [], told.tokens or [], strict=True):
        if not token.startswith("<0x"):
            assert done.choices[0].text[offset:].startswith(token)


def test_echo_gives_the_prompt_back(client: openai.OpenAI, server: Running) -> None:
    options = {"model": server.served.lm.name, "prompt": PROMPT, "max_tokens": 5, "seed": 2}
    plain = client.completions.create(**options).choices[0].text
    assert client.completions.create(**options, echo=True).choices[0].text == PROMPT + plain
    streamed = client.completions.create(**options, echo=True, stream=True)
    assert "".join(piece.choices[0].text for piece in streamed) == PROMPT + plain
    with pytest.raises(openai.BadRequestError, match="echo with logprobs"):
        client.completions.create(**options, echo=True, logprobs=0)


def test_chat_continues_the_transcript(client: openai.OpenAI, server: Running) -> None:
    lm = server.served.lm
    messages = [
        {"role": "system", "content": "The old"},
        {"role": "user", "content": [{"type": "text", "text": "bridge"}]},
    ]
    options = {"model": lm.name, "messages": messages, "max_tokens": 9, "seed": 4}
    whole = client.chat.completions.create(**options)
    expected = lm.generate("The old\nbridge", n_tokens=9, temperature=1.0, seed=4)
    assert whole.choices[0].message.content == expected
    assert whole.choices[0].message.role == "assistant"
    pieces = list(client.chat.completions.create(**options, stream=True))
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == expected
    assert pieces[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert "usage" not in pieces[0].model_fields_set


def test_without_a_length_chat_writes_what_the_context_holds(client: openai.OpenAI, server: Running) -> None:
    lm = server.served.lm
    done = client.chat.completions.create(
        model=lm.name, messages=[{"role": "user", "content": "Fog"}], temperature=0
    )
    assert done.usage is not None
    assert done.usage.total_tokens == lm.context or done.choices[0].finish_reason == "stop"


def test_steering_of_requests_and_presets(
    client: openai.OpenAI,
    server: Running,
    tiny_llama: LanguageModel,
    dictionary: SparseAutoencoder,
    live: list[int],
) -> None:
    name = server.served.lm.name
    options = {"prompt": PROMPT, "max_tokens": 10, "seed": 6}
    own = {"edits": [{"feature": live[1], "add": 15, "scope": "generated"}]}

    def expected(steering: object) -> str:
        with steer(tiny_llama, dictionary, rules_of(steering)):  # type: ignore[arg-type]
            return tiny_llama.generate(PROMPT, n_tokens=10, temperature=1.0, seed=6)  # type: ignore[return-value]

    def text(model: str, steering: object = None) -> str:
        body = {"steering": steering} if steering is not None else {}
        return client.completions.create(model=model, **options, extra_body=body).choices[0].text

    loud = {"edits": [{"feature": live[0], "clamp": 20}]}
    assert text(f"{name}:loud") == text(name, loud) == expected(loud)
    assert text(f"{name}:loud", own) == text(name, own) == expected(own)
    assert text(name) == expected({"edits": []}) == text(f"{name}:loud", {"edits": []})
    assert len({text(name), text(f"{name}:loud"), text(name, own)}) == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools is not understood"),
        ({"response_format": {"type": "json_object"}}, "response_format is not understood"),
        ({"logit_bias": {"5": 3}}, "logit_bias is not understood"),
        ({"presence_penalty": 0.5}, "presence_penalty is not understood"),
        ({"extra_body": {"temprature": 1}}, "no field 'temprature' .nearest .* temperature"),
        ({"extra_body": {"top_k": 4}}, "no field 'top_k'"),
        ({"temperature": 2.5}, "temperature: .* less than or equal to 2"),
        ({"n": 0}, "n: .* greater than or equal to 1"),
        ({"max_tokens": 0}, "max_tokens: "),
        ({"stop": [""]}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs is given without logprobs"),
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0.role: "),
        ({"extra_body": {"steering": {"edits": [{"feature": 9999, "ablate": True}]}}}, "9999 is no feature"),
        ({"extra_body": {"steering": "bridge"}}, "'bridge' is no steering"),
        ({"extra_body": {"steering": {"edits": [{"feature": 1, "clamp": 1e300}]}}}, "feature 1"),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: openai.OpenAI, server: Running, options: dict[str, object], sentence: str
) -> None:
    messages = [{"role": "user", "content": PROMPT}]
    with pytest.raises(openai.BadRequestError, match=sentence) as error:
        client.chat.completions.create(**({"model": server.served.lm.name, "messages": messages} | options))
    assert error.value.type == "invalid_request_error"
    if "extra_body" not in options or "steering" in str(options):
        assert server.idle()


def test_harmless_fields_are_ignored(client: openai.OpenAI, server: Running) -> None:
    options = {"model": server.served.lm.name, "prompt": PROMPT, "max_tokens": 4, "seed": 1}
    more = {"user": "somebody", "presence_penalty": 0, "logit_bias": {}, "best_of": 1}
    plain = client.completions.create(**options)
    assert client.completions.create(**options, **more).choices[0].text == plain.choices[0].text


def test_errors_have_the_type_that_the_client_knows(client: openai.OpenAI, server: Running) -> None:
    name = server.served.lm.name
    with pytest.raises(openai.NotFoundError, match="no model 'lama'"):
        client.completions.create(model="lama", prompt="x")
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model=name, prompt="bridge " * 300, max_tokens=1)
    assert error.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model=name, prompt="bridge", max_tokens=1000)
    assert error.value.code == "context_length_exceeded"
    with server.client(api_key="wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with pytest.raises(openai.BadRequestError, match="400 is no token"):
        client.completions.create(model=name, prompt=[400])
