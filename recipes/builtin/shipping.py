"""What the package ships beside the model: a tagged harvest corpus and its held-out part."""

import gzip
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from texts import write_documents
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from monoscope.documents import Document
from monoscope.synthetic.tagger import tag
from monoscope.synthetic.world import world_documents

STARTS = (
    "Once upon a time", "One day", "There was once a", "In the morning", "It was", "A long time ago", "The", "She",
    "He", "Last week", "When", "They", "At the", "My", "Every day",
)  # fmt: skip
"""How the model's own samples begin."""


@torch.inference_mode()
def sampled_texts(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    count: int,
    *,
    seed: int,
    length: int = 220,
    batch: int = 200,
) -> Iterator[str]:
    """Texts that the model writes by itself at temperature 0.9, top-p 0.97."""
    device = next(model.parameters()).device
    torch.manual_seed(seed)
    for number in range(0, count, batch):
        start = STARTS[(number // batch) % len(STARTS)]
        prompt = torch.tensor([tokenizer(start)["input_ids"]] * min(batch, count - number), device=device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            rows = model.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=length, do_sample=True,
                temperature=0.9, top_p=0.97, top_k=0, pad_token_id=tokenizer.eos_token_id,
            )  # fmt: skip
        for row in rows.tolist():
            text = tokenizer.decode(row, skip_special_tokens=True).strip()
            if len(text) > 80 and "\ufffd" not in text:
                yield text


def shipped_documents(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    n_world: int,
    n_samples: int,
    seed: int,
    heldout: bool,
) -> Iterator[Document]:
    """The planted world's documents and, spread among them, the model's own samples, tagged."""
    samples = iter(list(sampled_texts(model, tokenizer, n_samples, seed=seed)))
    every = max(1, n_world // max(1, n_samples))
    for index, document in enumerate(world_documents(n_world, seed=seed, heldout=heldout)):
        yield document
        if index % every == every - 1 and (text := next(samples, None)) is not None:
            yield tag(text, heldout=heldout)


def write_corpus(documents: Iterable[Document], path: Path) -> int:
    """Write a corpus as compressed JSON lines, the same bytes for the same documents; returns how many."""
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
        text = io.TextIOWrapper(packed, encoding="utf-8", newline="\n")
        count = write_documents(documents, text.write)
        text.flush()
        text.detach()
    return count
