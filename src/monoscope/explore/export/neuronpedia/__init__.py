"""The index as Neuronpedia's bulk import reads it."""

from monoscope.explore.export.neuronpedia.names import NeuronpediaOptions
from monoscope.explore.export.neuronpedia.write import write_neuronpedia

__all__ = ["NeuronpediaOptions", "write_neuronpedia"]
