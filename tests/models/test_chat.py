import pytest

from monoscope.errors import WrongUse
from monoscope.models import LanguageModel
from monoscope.models.chat import chat_prompt, has_chat_template

MESSAGES = [{"role": "system", "content": "The old"}, {"role": "user", "content": "bridge"}]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def test_without_a_template_contents_are_joined_by_newlines(tiny_llama: LanguageModel) -> None:
    assert not has_chat_template(tiny_llama)
    assert chat_prompt(tiny_llama, MESSAGES) == tiny_llama.tokenize("The old\nbridge").tolist()


@pytest.mark.parametrize("own", [True, False])
def test_a_template_writes_the_conversation(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    if own:
        monkeypatch.setattr(tiny_llama.tokenizer, "chat_template", TEMPLATE)
        assert has_chat_template(tiny_llama)
    tokens = chat_prompt(tiny_llama, MESSAGES, template=None if own else TEMPLATE)
    assert tokens[0] == tiny_llama.bos_id
    assert tokens.count(1) == 2  # the end token, not the letters of its name
    assert tiny_llama.decode(tokens) == "[system] The old[user] bridge[assistant]"


def test_a_template_that_refuses_is_told(tiny_llama: LanguageModel) -> None:
    for template in ("{{ raise_exception('no system messages') }}", "{% if %}"):
        with pytest.raises(WrongUse, match="cannot write this conversation"):
            chat_prompt(tiny_llama, MESSAGES, template=template)


def test_where_texts_end(tiny_llama: LanguageModel) -> None:
    assert tiny_llama.ends == {1}
