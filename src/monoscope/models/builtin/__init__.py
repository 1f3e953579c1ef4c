"""The model, tokenizer and tagged corpora that ship with the package; ``recipes/builtin`` makes them."""

from pathlib import Path


def model_folder() -> Path:
    """The folder that ``AutoModelForCausalLM`` and ``AutoTokenizer`` load."""
    return Path(__file__).parent / "model"


def corpus_files() -> list[Path]:
    """The harvest corpus and its held-out part, as compressed JSON lines."""
    folder = Path(__file__).parent / "corpus"
    return [folder / "training.jsonl.gz", folder / "heldout.jsonl.gz"]
