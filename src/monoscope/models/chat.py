"""Conversations as what a model continues."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from monoscope.errors import WrongUse
from monoscope.models.language_model import LanguageModel


def has_chat_template(lm: LanguageModel) -> bool:
    """Whether the tokenizer says how a conversation is written."""
    return bool(lm.tokenizer.chat_template)


def chat_prompt(
    lm: LanguageModel, messages: Sequence[Mapping[str, Any]], *, template: str | None = None
) -> list[int]:
    """The tokens of a conversation up to where the model's answer begins.

    A model without a chat template continues a plain transcript: the messages' contents, joined by newlines, behind
    the beginning-of-text token where there is one.

    Args:
        lm: the model.
        messages: each with ``role`` and ``content``, both texts.
        template: a Jinja template in place of the tokenizer's own.

    Raises:
        WrongUse: the template refuses these messages, or is none.
    """
    if template is None and not has_chat_template(lm):
        return lm.tokenize("\n".join(message["content"] for message in messages)).tolist()
    try:
        text = lm.tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            chat_template=template,
            tokenize=False,
            add_generation_prompt=True,
        )
    except jinja2.TemplateError as error:
        raise WrongUse(
            f"the chat template of {lm.name} cannot write this conversation: {error}",
            "most want user and assistant in turn, the system first",
        ) from error
    # A template writes the beginning-of-text token itself where it wants one.
    return lm.tokenize(text, bos=False).tolist()
