"""Begin a run in the middle of a model: the blocks before are passed over."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from monoscope.models.language_model import LanguageModel


@contextmanager
def resumed(lm: LanguageModel, block: int, x: Float[Tensor, "batch token d_model"]) -> Iterator[None]:
    """Inside the block of the ``with``, the model goes on from ``x`` at the entry of block ``block``.

    Formula: with ``x`` the model's own ``blocks.{block}.resid_pre`` for some tokens, a run of these tokens gives what
    it gives outside. The blocks before are not computed, and edits and reads in them see nothing.

    Args:
        lm: the model.
        block: number of the first block that is computed.
        x: what enters it, for the tokens that the model will be run on.

    Raises:
        UnknownSite: the model has fewer blocks.
    """
    lm.resolve(f"blocks.{block}.resid_pre")
    blocks = lm.model.get_submodule(lm.family.blocks)
    entry = blocks.get_submodule(str(block))

    def enter(module: nn.Module, arguments: tuple, keywords: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        if arguments:
            return (x, *arguments[1:]), keywords
        return arguments, keywords | {"hidden_states": x}

    with ExitStack() as undo:
        for number in range(block):
            passed = blocks.get_submodule(str(number))
            passed.forward = _nothing
            undo.callback(delattr, passed, "forward")
        undo.callback(entry.register_forward_pre_hook(enter, with_kwargs=True, prepend=True).remove)
        yield


def _nothing(hidden: Any, *arguments: Any, **keywords: Any) -> tuple[Any]:
    """What a block that is passed over returns: whether its caller takes the first of it or all, nothing breaks."""
    return (hidden,)
