"""Pages about a run, made from records alone."""

from monoscope.explore.report import report_html

__all__ = ["report_html"]
