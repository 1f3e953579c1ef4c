"""``monoscope explain``: every feature described without a language model, and what the model loses without it."""

from monoscope.commands.explain.command import ExplainCommand, explain_run, explain_run_text

__all__ = ["ExplainCommand", "explain_run", "explain_run_text"]
