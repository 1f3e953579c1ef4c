"""The same figures from the tools that control vectors come from: repeng and llama.cpp.

Each runs in an environment of its own, ``FOLDER/NAME``, with FOLDER from ``MONOSCOPE_PEERS`` or where the benchmarks
keep theirs; ``python -m venv FOLDER/repeng && FOLDER/repeng/bin/pip install repeng`` makes one.
"""

import json
import os
import subprocess
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from monoscope.models import LanguageModel, Site
from monoscope.models.hooks import edit
from monoscope.vectors import CentredDifferencesPCA, CentredPairsPCA, export_gguf, import_gguf, learn_vector

from .made import PAIRS

pytestmark = pytest.mark.peers

FOLDER = Path(os.environ.get("MONOSCOPE_PEERS", Path.home() / ".cache" / "monoscope-benchmarks"))


def run_peer(name: str, script: str, *arguments: Path) -> None:
    python = FOLDER / name / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"there is no environment {FOLDER / name}")
    command = [str(python), str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write_llama(lm: LanguageModel, path: Path) -> None:
    """A Llama as llama.cpp reads it: float32, no vocabulary, queries and keys in its order of rotary pairs."""
    config, weights = lm.model.config, lm.model.state_dict()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v"}
    names |= {
        "self_attn.o_proj": "attn_output",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    names |= {"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    table = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    for block in range(config.num_hidden_layers):
        table |= {f"model.layers.{block}.{ours}": f"blk.{block}.{theirs}" for ours, theirs in names.items()}
    for ours, theirs in table.items():
        weight = weights[f"{ours}.weight"].float().numpy()
        if n_heads := heads.get(ours.rpartition(".")[2]):
            halves = weight.reshape(n_heads, 2, -1, weight.shape[1])
            weight = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))
        writer.add_tensor(f"{theirs}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_llama_cpp_pushes_as_we_do(tmp_path: Path, tiny_llama: LanguageModel) -> None:
    vector = learn_vector(tiny_llama, PAIRS).at([1, 2])
    tokens = tiny_llama.tokenize("The king of the land had three sons, and a dog.")
    strengths = [0.0, 0.5, -2.0]
    write_llama(tiny_llama, tmp_path / "model.gguf")
    export_gguf(vector, tmp_path / "vector.gguf", scale=0.4)
    (tmp_path / "task.json").write_text(json.dumps({"tokens": tokens.tolist(), "strengths": strengths}))
    places = [tmp_path / name for name in ("model.gguf", "vector.gguf", "task.json", "logits.npz")]
    run_peer("llama-cpp-python", "in_llama_cpp.py", *places)
    theirs = np.load(tmp_path / "logits.npz")
    plain = tiny_llama.forward(tokens[None])[0]
    for strength in strengths:
        pushes = {block: vector.push(block, 0.4 * strength) for block in vector.blocks}
        edits = {Site(block, "resid_post"): lambda x, push=push: x + push for block, push in pushes.items()}
        with edit(tiny_llama, edits):
            ours = tiny_llama.forward(tokens[None])[0]
        error = float((ours - torch.from_numpy(theirs[str(strength)])).abs().max())
        moved = float((ours - plain).abs().max())
        assert error <= 1e-4, "a push at another block, or of another length, is off by as much as it moves"
        assert (moved > 1000 * error) == bool(strength)


def test_repengs_components_are_ours_and_files_go_both_ways(
    tmp_path: Path, tiny_llama: LanguageModel
) -> None:
    generator = torch.Generator().manual_seed(0)
    negative = torch.randn(60, 32, generator=generator)
    strength = 1 + torch.rand(60, 1, generator=generator)
    positive = (
        negative
        + strength * torch.randn(32, generator=generator)
        + 0.3 * torch.randn(60, 32, generator=generator)
    )
    np.savez(tmp_path / "states.npz", states=torch.stack([positive, negative], 1).reshape(120, 32).numpy())
    vector = learn_vector(tiny_llama, PAIRS).at([1, 2])
    export_gguf(vector, tmp_path / "vector.gguf", scale=0.4)
    places = [tmp_path / name for name in ("states.npz", "vector.gguf", "directions.npz", "copy.gguf")]
    run_peer("repeng", "in_repeng.py", *places)
    theirs = np.load(tmp_path / "directions.npz")
    for method in (CentredDifferencesPCA(), CentredPairsPCA()):
        cosine = float(method(positive, negative) @ torch.from_numpy(theirs[method.name]))
        assert cosine == pytest.approx(1, abs=1e-5)
    copy, notes = import_gguf(tmp_path / "copy.gguf", tiny_llama)
    assert (copy.unit, notes) == ("activation", ())
    for block in vector.blocks:
        assert torch.equal(copy.push(block, 1), vector.push(block, 0.4))
