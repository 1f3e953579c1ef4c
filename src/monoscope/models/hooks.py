"""Read and change activations while a model runs.

Both are context managers around any run of the model, one token at a time under a key-value cache included.
Their hooks are gone when the block ends, however it ends::

    with edit(lm, {site: ablate}), read(lm, [later], stop=True) as values:
        lm.forward(tokens)                      # ends after ``later``
    values[later]                               # [batch, token, width], with the edit's effect

Hooks at one site run in the order of their ``with``: an inner ``read`` sees what an outer ``edit`` put there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from monoscope.errors import WrongUse
from monoscope.models.families import Family
from monoscope.models.sites import Site


@runtime_checkable
class HasSites(Protocol):
    """What reading and editing need of a language model."""

    model: nn.Module
    family: Family

    def resolve(self, name: str | Site) -> Site:
        """The site of that name, checked to exist."""
        ...


class _Ended(Exception):
    """Carries the end of a stopped forward pass up to the ``read`` that asked for it."""


@contextmanager
def read(
    lm: HasSites, sites: Sequence[Site | str], *, stop: bool = False
) -> Iterator[dict[Site, Float[Tensor, "batch token width"]]]:
    """Keep what passes at ``sites``; the yielded dictionary is filled by each run, the latest run wins.

    Args:
        lm: the model.
        sites: what to read, in any order.
        stop: end the run, and with it the ``with`` block, as soon as the deepest of ``sites`` is read:
            nothing deeper is computed, and statements after the run inside the block are not reached.

    Raises:
        UnknownSite: the model has no such site.
    """
    wanted = {lm.resolve(site) for site in sites}
    deepest = max(wanted, default=None)
    values: dict[Site, Tensor] = {}
    ended = _Ended()

    with ExitStack() as hooks:
        for site in wanted:
            signal = ended if stop and site == deepest else None
            hooks.enter_context(_Hook(lm, site, partial(_keep, values, site, signal)))
        try:
            yield values
        except _Ended as raised:
            if raised is not ended:
                raise
        finally:
            # Its frames refer to it and hold the run's activations, which would wait for the garbage collector.
            ended.__traceback__ = None


@contextmanager
def edit(lm: HasSites, edits: Mapping[Site, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Replace the activation at each site by ``function(activation)``.

    What follows in the model goes on exactly as if it had computed that value itself. The function gets
    ``[batch, token, width]``, padding included; under a key-value cache it gets the new tokens only. What it
    returns must have the same shape, and is cast to the activation's dtype.

    Raises:
        UnknownSite: the model has no such site.
        WrongUse: during the run, when a function returns another shape.
    """
    with ExitStack() as hooks:
        for site, function in edits.items():
            hooks.enter_context(_Hook(lm, lm.resolve(site), function))
        yield


def _keep(values: dict[Site, Tensor], site: Site, signal: _Ended | None, x: Tensor) -> None:
    """Note what passed at ``site``, and end the run if there is a signal to."""
    # An edit at resid_mid writes in place (see _Hook): it must not change what was read before.
    values[site] = x.clone() if site.kind == "resid_mid" else x
    if signal is not None:
        raise signal


class _Hook:
    """Calls ``function`` on what passes at ``site``; what it returns, unless None, takes its place."""

    def __init__(self, lm: HasSites, site: Site, function: Callable[[Tensor], Tensor | None]) -> None:
        place = lm.family.place(site)
        self.site = site
        self.function = function
        self.block = lm.model.get_submodule(f"{lm.family.blocks}.{site.block}")
        self.module = lm.model.get_submodule(place.module)
        self.side = place.side
        self.leading = torch.Size()

    def __enter__(self) -> None:
        self.handles = []
        if self.module is not self.block:
            self.handles.append(self.block.register_forward_pre_hook(self.note_shape))
        if self.side == "input":
            self.handles.append(self.module.register_forward_pre_hook(self.before))
        else:
            self.handles.append(self.module.register_forward_hook(self.after))

    def __exit__(self, *raised: object) -> None:
        for handle in self.handles:
            handle.remove()

    def note_shape(self, block: nn.Module, arguments: tuple) -> None:
        """Some blocks merge batch and token on the way; their input still has both."""
        self.leading = arguments[0].shape[:-1]

    def before(self, module: nn.Module, arguments: tuple) -> tuple:
        return self.passed(arguments[0]), *arguments[1:]

    def after(self, module: nn.Module, arguments: tuple, output: Tensor | tuple) -> Tensor | tuple:
        return (self.passed(output[0]), *output[1:]) if isinstance(output, tuple) else self.passed(output)

    def passed(self, x: Tensor) -> Tensor:
        """What goes on instead of ``x``."""
        shaped = x if x.ndim == 3 else x.view(*self.leading, x.shape[-1])
        replacement = self.function(shaped)
        if replacement is None or replacement is shaped:
            return x
        if replacement.shape != shaped.shape:
            raise WrongUse(
                f"the edit at {self.site} returned shape {list(replacement.shape)} for {list(shaped.shape)}",
                "an edit returns an activation of the shape it was given",
            )
        replacement = replacement.to(x.dtype).reshape(x.shape)
        # The block keeps resid_mid in a variable, which it adds the MLP's output to, and hands the same
        # tensor to the norm: only writing into that tensor reaches both.
        return x.copy_(replacement) if self.site.kind == "resid_mid" else replacement
