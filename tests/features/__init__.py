"""Tests of monoscope.features."""
