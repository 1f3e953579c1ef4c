"""``monoscope vector``: learn a control vector, look at it, write along it, take it elsewhere."""

from monoscope.commands.vector.apply import ApplyOptions, apply, apply_text
from monoscope.commands.vector.show import ShowOptions, show, show_text
from monoscope.commands.vector.train import TrainOptions, train, train_text

__all__ = [
    "ApplyOptions",
    "ShowOptions",
    "TrainOptions",
    "apply",
    "apply_text",
    "show",
    "show_text",
    "train",
    "train_text",
]
