"""``monoscope vector``: learn a control vector, look at it, write along it, take it elsewhere."""

from monoscope.commands.vector.apply import ApplyOptions, apply, apply_text
from monoscope.commands.vector.files import (
    ExportOptions,
    ImportOptions,
    export_vector,
    export_vector_text,
    import_vector,
    import_vector_text,
)
from monoscope.commands.vector.show import ShowOptions, show, show_text
from monoscope.commands.vector.train import TrainOptions, train, train_text

__all__ = [
    "ApplyOptions",
    "ExportOptions",
    "ImportOptions",
    "ShowOptions",
    "TrainOptions",
    "apply",
    "apply_text",
    "export_vector",
    "export_vector_text",
    "import_vector",
    "import_vector_text",
    "show",
    "show_text",
    "train",
    "train_text",
]
