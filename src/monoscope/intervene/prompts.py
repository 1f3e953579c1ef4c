"""Prompts that have nothing to do with any topic in particular."""

from importlib.resources import files


def story_beginnings() -> tuple[str, ...]:
    """Sixty ordinary beginnings of stories in plain words, to see what a clamp does to unrelated text."""
    text = files("monoscope.intervene").joinpath("story_beginnings.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line)
