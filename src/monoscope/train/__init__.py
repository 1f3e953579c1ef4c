"""Learn a dictionary from a stream of activations; nothing here knows of language models."""

from monoscope.train.lesson import Wanted
from monoscope.train.log import read_metrics
from monoscope.train.mesh import ALONE, Mesh, torchrun
from monoscope.train.options import Objective, Resampling, TrainOptions
from monoscope.train.penalties import L0, L1, PENALTIES, Gate, Penalty, Power, Tanh
from monoscope.train.so_far import checkpoint_written, dictionary_so_far
from monoscope.train.stream import JoinedStream, PairStream, Stream, TensorStream
from monoscope.train.trainer import train, train_many
from monoscope.train.workplace import training_folder

__all__ = [
    "ALONE",
    "L0",
    "L1",
    "PENALTIES",
    "Gate",
    "JoinedStream",
    "Mesh",
    "Objective",
    "PairStream",
    "Penalty",
    "Power",
    "Resampling",
    "Stream",
    "Tanh",
    "TensorStream",
    "TrainOptions",
    "Wanted",
    "checkpoint_written",
    "dictionary_so_far",
    "read_metrics",
    "torchrun",
    "train",
    "train_many",
    "training_folder",
]
