"""Fixtures, and the run-time check of every shape in monoscope's signatures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from beartype import BeartypeConf, beartype
from hypothesis import settings
from jaxtyping import install_import_hook

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""Checks annotations; an ``int`` is a ``float``, as type checkers have it."""

# The hook must be installed before anything of monoscope is imported.
install_import_hook("monoscope", "conftest.checked").__enter__()

from monoscope.models.language_model import LanguageModel, load_model  # noqa: E402

# Tiny tensors: a second thread costs more than it computes, most of all on a busy machine.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")  # the same examples every time; --hypothesis-profile default draws new ones

torch.set_num_threads(1)

TEXT = (
    "The old bridge crosses the water. Fog comes in from the sea and hides the towers of the bridge.",
    "Once upon a time there was a little girl who walked to the park with her dog and a red ball.",
    "The king of the land had three sons, and the youngest of them could not be made to laugh.",
    "It was the best of days; they counted one, two, three, and the ship went out to sea again.",
)
"""What the tiny tokenizers learn their merges from."""

COMMON = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
GROUPED = COMMON | {"num_key_value_heads": 2, "intermediate_size": 64}
GEMMA = GROUPED | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}
NEOX = COMMON | {"intermediate_size": 64}
MIXED = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}

TINY_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma2": ("Gemma2Config", GEMMA),
    "gemma3_text": ("Gemma3TextConfig", GEMMA | MIXED),
    "gpt2": ("GPT2Config", COMMON | {"eos_token_id": 0}),
    "gpt_neox": ("GPTNeoXConfig", NEOX | {"use_parallel_residual": True}),
    "gpt_neox_sequential": ("GPTNeoXConfig", NEOX | {"use_parallel_residual": False}),
    "llama": ("LlamaConfig", GROUPED),
    "mistral": ("MistralConfig", GROUPED | {"sliding_window": 16}),
    "opt": ("OPTConfig", COMMON | {"ffn_dim": 64, "word_embed_proj_dim": 32}),
    "phi": ("PhiConfig", GROUPED),
    "qwen2": ("Qwen2Config", GROUPED),
    "qwen3": ("Qwen3Config", GROUPED | {"head_dim": 16}),
}
"""Name -> class of the configuration and its options: every architecture, with 3 blocks of width 32."""

SPECIAL_TOKENS = {"gpt2": ["<|endoftext|>"], "qwen2": ["<|endoftext|>", "<|im_end|>"]}
"""GPT-2 has one token for both ends, Qwen none for the beginning; the others have one for each."""


def tiny_tokenizer(name: str) -> Any:
    """A byte-level BPE tokenizer of 400 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    specials = SPECIAL_TOKENS.get(name, ["<|begin|>", "<|end|>"])
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    bos = None if name == "qwen2" else specials[0]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=specials[-1])


def save_tiny_model(name: str, folder: Path) -> None:
    """Write a random model of that architecture and its tokenizer to ``folder``."""
    import transformers

    configuration, options = TINY_MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, configuration)(**options))
        with torch.no_grad():
            for parameter in model.parameters():
                # Gains of one and biases of nought would let a forgotten gain or bias pass unseen.
                if parameter.ndim == 1:
                    parameter.add_(torch.randn_like(parameter), alpha=0.2)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    tiny_tokenizer(name).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``tiny_model_folder("llama")``: a folder with a tiny random model of that name, made once a session."""
    root = tmp_path_factory.mktemp("models")

    def folder(name: str) -> Path:
        path = root / name
        if not path.exists():
            save_tiny_model(name, path)
        return path

    return folder


@pytest.fixture(scope="session")
def tiny_llama(tiny_model_folder: Callable[[str], Path]) -> LanguageModel:
    """A random Llama: d_model 32, 3 blocks, context 128, 400 tokens with bos and eos, float32 on the CPU."""
    return load_model(tiny_model_folder("llama"), device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def tiny_gpt2(tiny_model_folder: Callable[[str], Path]) -> LanguageModel:
    """A random GPT-2: d_model 32, 3 blocks, context 128, 400 tokens, one special, float32 on the CPU."""
    return load_model(tiny_model_folder("gpt2"), device="cpu", dtype="float32")


@pytest.fixture(scope="session", params=sorted(TINY_MODELS))
def every_family(request: pytest.FixtureRequest, tiny_model_folder: Callable[[str], Path]) -> LanguageModel:
    """Each architecture that monoscope knows, tiny and random, float32 on the CPU."""
    return load_model(tiny_model_folder(request.param), device="cpu", dtype="float32")
