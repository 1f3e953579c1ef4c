"""The run's control vectors over HTTP: learnt, looked at, read along, and taken elsewhere."""

from monoscope.serve.vectors.routes import add_vectors

__all__ = ["add_vectors"]
