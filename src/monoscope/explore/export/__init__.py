"""An index written for others to read: pages for any static host, and the layouts of other tools' importers."""

from monoscope.explore.export.circuit_tracer import write_circuit_tracer
from monoscope.explore.export.neuronpedia import NeuronpediaOptions, write_neuronpedia
from monoscope.explore.export.site import write_site
from monoscope.explore.export.source import Features

__all__ = ["Features", "NeuronpediaOptions", "write_circuit_tracer", "write_neuronpedia", "write_site"]
