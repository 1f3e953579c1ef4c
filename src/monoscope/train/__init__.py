"""Learn a dictionary from a stream of activations; nothing here knows of language models."""

from monoscope.train.log import read_metrics
from monoscope.train.run import TrainOptions
from monoscope.train.stream import Stream, TensorStream
from monoscope.train.trainer import train

__all__ = ["Stream", "TensorStream", "TrainOptions", "read_metrics", "train"]
