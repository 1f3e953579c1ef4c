"""A figure for every analysis, drawn from its result alone."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from monoscope.errors import UnknownName, nearest
from monoscope.explore.figures.attribution import attribution
from monoscope.explore.figures.canvas import as_svg
from monoscope.explore.figures.completeness import completeness
from monoscope.explore.figures.density import density
from monoscope.explore.figures.neighbourhoods import neighbourhoods
from monoscope.explore.figures.neurons import neurons
from monoscope.explore.figures.proxies import proxies
from monoscope.explore.figures.shuffled import shuffled
from monoscope.explore.figures.splitting import splitting
from monoscope.explore.figures.universality import universality

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[[Mapping[str, Any]], "Figure"]] = {
    "attribution": attribution,
    "completeness": completeness,
    "density": density,
    "neighbourhoods": neighbourhoods,
    "neurons": neurons,
    "proxies": proxies,
    "shuffled": shuffled,
    "splitting": splitting,
    "universality": universality,
}
"""Name of an analysis -> what draws its result."""


def figure_svg(name: str, result: Mapping[str, Any]) -> str:
    """The figure of an analysis' result as SVG: the same result gives the same bytes.

    Raises:
        UnknownName: no analysis has that name.
    """
    if name not in FIGURES:
        raise UnknownName(f"there is no figure of {name!r}", nearest(name, FIGURES))
    return as_svg(FIGURES[name](result))


__all__ = ["FIGURES", "figure_svg"]
