"""Text and vectors whose truth is known: the planted world, and planted dictionaries."""
