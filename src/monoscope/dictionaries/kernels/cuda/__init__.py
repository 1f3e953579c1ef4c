"""Triton kernels for CUDA: the sparse products of a training step, and the largest entries of a dense one.

Pure functions, with no gradients of their own. They add in float32, make the host wait for nothing, and give
equal bits for equal inputs. Importing this package imports Triton.
"""

from monoscope.dictionaries.kernels.cuda.largest import largest_products
from monoscope.dictionaries.kernels.cuda.sums import dot, scatter, weighted_runs, weighted_sum

__all__ = ["dot", "largest_products", "scatter", "weighted_runs", "weighted_sum"]
