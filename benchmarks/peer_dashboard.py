"""sae-dashboard at work on a dictionary of ours, in its own environment: features x tokens a minute.

    python peer_dashboard.py FOLDER

FOLDER holds ``dictionary.safetensors`` and ``shape.json``; ``benchmarks/index.py`` writes them. The model has the shape
that is asked for and random weights; tokens are random too. The clock runs on ``SaeVisRunner.run``, with its defaults:
the forward passes, the features' statistics, sequences and logits; no HTML is written.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from sae_dashboard.sae_vis_data import SaeVisConfig
from sae_dashboard.sae_vis_runner import SaeVisRunner
from sae_lens import HookedSAETransformer, TopKSAE, TopKSAEConfig
from safetensors.torch import load_file
from transformer_lens import HookedTransformerConfig


def main(folder: Path) -> None:
    """Run it once and print what it did."""
    asked = json.loads((folder / "shape.json").read_text())
    tensors = load_file(folder / "dictionary.safetensors")
    torch.manual_seed(0)
    hook = f"blocks.{asked['block']}.hook_resid_post"
    model = HookedSAETransformer(
        HookedTransformerConfig(
            n_layers=asked["blocks"],
            d_model=asked["d_model"],
            n_ctx=asked["context"],
            d_head=asked["d_model"] // 8,
            n_heads=8,
            d_mlp=4 * asked["d_model"],
            d_vocab=asked["vocabulary"],
            act_fn="gelu",
            normalization_type="LN",
            device="cpu",
        )
    )
    # Directions of norm 1: rescaling by the norm changes nothing, and the runner asks for it.
    sae = TopKSAE(
        TopKSAEConfig(
            d_in=asked["d_model"],
            d_sae=asked["n_features"],
            k=asked["k"],
            rescale_acts_by_decoder_norm=True,
        )
    )
    names = {"W_enc": "encoder", "b_enc": "encoder_bias", "W_dec": "decoder", "b_dec": "bias"}
    sae.load_state_dict({name: tensors[own] for name, own in names.items()})
    sae.cfg.metadata.hook_name = hook
    shape = (asked["tokens"] // asked["context"], asked["context"])
    tokens = torch.randint(0, asked["vocabulary"], shape)
    config = SaeVisConfig(hook_point=hook, features=list(range(asked["features"])), device="cpu")
    began = time.perf_counter()
    # It prints; our caller reads the last line of stdout.
    SaeVisRunner(config).run(encoder=sae, model=model, tokens=tokens)
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "peer": "sae-dashboard",
                "version": version("sae-dashboard"),
                "features": asked["features"],
                "tokens": tokens.numel(),
                "seconds": seconds,
                "threads": torch.get_num_threads(),
                "rate": 60 * asked["features"] * tokens.numel() / seconds,
            }
        )
    )


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    main(Path(sys.argv[1]))
