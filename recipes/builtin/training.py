"""Training of the built-in model: one pass over rows drawn from every kind of text by its share."""

import ctypes
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from texts import Kind
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class LanguageModelOptions:
    """Size and schedule of the built-in model."""

    vocabulary: int = 6144
    """Entries of the tokenizer."""
    d_model: int = 256
    """Width of the residual stream."""
    n_blocks: int = 4
    """Blocks of attention and MLP."""
    n_heads: int = 4
    """Attention heads."""
    d_hidden: int = 688
    """Width of the MLP."""
    context: int = 256
    """Tokens in a row."""
    rows: int = 32
    """Rows in a step."""
    n_tokens: int = 64_000_000
    """Tokens seen in all."""
    learning_rate: float = 4e-3
    """Peak learning rate, of Muon in AdamW's scale and of AdamW."""
    seed: int = 0
    """Seed of the weights and of the order of the rows."""


def token_rows(texts: list[str], tokenizer: PreTrainedTokenizerFast, context: int) -> np.ndarray:
    """Texts, each behind the special token, cut into full rows: uint16 ``[row, context]``."""
    stream: list[np.ndarray] = []
    for start in range(0, len(texts), 1024):
        for encoding in tokenizer.backend_tokenizer.encode_batch_fast(texts[start : start + 1024]):
            stream.append(np.array(encoding.ids, dtype=np.uint16))
    tokens = np.concatenate(stream)
    return tokens[: len(tokens) // context * context].reshape(-1, context)


def mixed_batches(
    rows: dict[str, np.ndarray], kinds: list[Kind], options: LanguageModelOptions
) -> Iterator[torch.Tensor]:
    """Batches ``[rows, context]`` without end; each kind is gone through in a new order once it is used up."""
    random = np.random.default_rng(options.seed)
    shares = np.array([kind.share for kind in kinds])
    orders = {kind.name: iter(()) for kind in kinds}
    while True:
        batch = np.empty((options.rows, options.context), dtype=np.int64)
        for slot, choice in enumerate(random.choice(len(kinds), size=options.rows, p=shares / shares.sum())):
            name = kinds[choice].name
            index = next(orders[name], None)
            if index is None:
                orders[name] = iter(random.permutation(len(rows[name])))
                index = next(orders[name])
            batch[slot] = rows[name][index]
        yield torch.from_numpy(batch)


def new_model(options: LanguageModelOptions) -> LlamaForCausalLM:
    """An untrained model."""
    torch.manual_seed(options.seed)
    config = LlamaConfig(
        vocab_size=options.vocabulary, hidden_size=options.d_model, intermediate_size=options.d_hidden,
        num_hidden_layers=options.n_blocks, num_attention_heads=options.n_heads,
        num_key_value_heads=options.n_heads, max_position_embeddings=2 * options.context,
        tie_word_embeddings=True, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=0, pad_token_id=0,
        attention_bias=False,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 3 %, constant, then linear to nothing over the last 30 %."""
    return peak * min(1.0, (step + 1) / (0.03 * steps), (steps - step) / (0.3 * steps))


def new_optimisers(model: LlamaForCausalLM) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, fused AdamW for the embedding and the norms.

    Muon's steps are scaled to the root mean square of AdamW's (Liu et al. 2025), so one rate serves both.
    After 2.6 M tokens the loss is 2.34 nats where AdamW alone, at half the rate, brings it to 2.72.
    """
    embedding = model.get_input_embeddings().weight
    matrices = [weight for weight in model.parameters() if weight.ndim == 2 and weight is not embedding]
    others = [weight for weight in model.parameters() if weight.ndim != 2 or weight is embedding]
    return (
        torch.optim.Muon(matrices, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    )


class LinearCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of ``softmax(hidden @ weight.T)``, in bfloat16 and in blocks of rows.

    The logits of a step would be the largest tensor of the training by far; here no more than ``BLOCK`` rows
    of them exist at a time, and their gradient, ``softmax - one_hot``, is used up where it is made.
    """

    BLOCK = 512

    @staticmethod
    def forward(ctx, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Hidden ``[row, d_model]``, weight ``[vocabulary, d_model]``, targets ``[row]`` -> scalar, in nats."""
        low, low_weight = hidden.bfloat16(), weight.bfloat16()
        to_hidden, to_weight = torch.empty_like(low), torch.zeros_like(weight, dtype=torch.float32)
        loss = torch.zeros((), device=hidden.device)
        for start in range(0, len(targets), LinearCrossEntropy.BLOCK):
            rows = slice(start, start + LinearCrossEntropy.BLOCK)
            logits = low[rows] @ low_weight.T
            wanted = targets[rows, None]
            chosen = logits.gather(1, wanted).float().sum()
            loss += logits.float().logsumexp(1).sum() - chosen
            slope = torch.softmax(logits, 1)
            slope.scatter_add_(1, wanted, slope.new_full(wanted.shape, -1.0))
            to_hidden[rows] = slope @ low_weight
            to_weight += slope.T @ low[rows]
        ctx.save_for_backward(to_hidden, to_weight)
        return loss / len(targets)

    @staticmethod
    def backward(ctx, slope: torch.Tensor):
        """Gradients of hidden and weight, found on the way forward."""
        to_hidden, to_weight = ctx.saved_tensors
        scale = slope / len(to_hidden)
        return to_hidden * scale, to_weight * scale, None


def keep_freed_memory() -> None:
    """Tell the C library to keep freed memory: faulting large blocks in again costs a third of a step."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        library.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        library.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


def train_model(
    batches: Iterator[torch.Tensor],
    options: LanguageModelOptions,
    device: str,
    report: Callable[[str], None],
    snapshot: Callable[[LlamaForCausalLM], None],
) -> LlamaForCausalLM:
    """Train from nothing; reports loss and speed, and hands the model to ``snapshot``, as it goes.

    bfloat16 autocast. Attention is written out, which the compiler makes faster than the fused
    kernel's backward at this context length on a CPU.
    """
    keep_freed_memory()
    model = new_model(options).to(device)
    optimisers = new_optimisers(model)
    model.set_attn_implementation("eager" if device == "cpu" else "sdpa")
    network = torch.compile(model.model)
    steps = options.n_tokens // (options.rows * options.context)
    started, seen = time.monotonic(), 0
    for step in range(steps):
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, steps, options.learning_rate)
        tokens = next(batches).to(device, non_blocking=True)
        with torch.autocast(device, dtype=torch.bfloat16):
            hidden = network(tokens, use_cache=False).last_hidden_state
        loss = LinearCrossEntropy.apply(
            hidden[:, :-1].flatten(0, 1), model.lm_head.weight, tokens[:, 1:].flatten()
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        seen += tokens.numel()
        if step % 500 == 499:
            snapshot(model)
        if step % 50 == 0 or step == steps - 1:
            speed = seen / (time.monotonic() - started)
            report(
                f"step {step:>6,} of {steps:,}   loss {loss.item():.3f} nats/token   {speed:,.0f} tokens/s"
            )
    return model.eval()


@torch.inference_mode()
def bits_per_character(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: list[str], context: int
) -> float:
    """Held-out loss of the model in bits per character: -sum log2 p(token) / number of characters.

    Each text stands alone behind the special token; longer ones are read in rows of ``context``.
    """
    device = next(model.parameters()).device
    bits, characters = 0.0, 0
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        characters += len(text)
        for start in range(0, len(ids) - 1, context - 1):
            row = torch.tensor([ids[start : start + context]], device=device)
            logits = model(row, use_cache=False).logits[0, :-1].float()
            bits += torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum").item() / math.log(
                2
            )
    return bits / characters
