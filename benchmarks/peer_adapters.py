"""How each peer trains: its own classes, loss, optimiser and loop, over batches that are handed to it.

Every function takes what was asked for and the batches, and gives back what was learnt in one form for all.
Defaults are the peer's; what they had to be changed for is in ``Trained.changed``.

With ``asked.learning_rate`` a peer trains in the common setting instead: that peak rate, and everything that its
defaults count in steps or tokens of long runs as the same share of the run for all (``WARMUP`` and the
shares after it, which are monoscope's own). ``asked.coefficient`` is a price of activity against the summed squared
error of activations with ``E|x|^2 = d_model``; each peer gets it in its own units.
"""

import os
import sys
import tempfile
import types
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SHARES = (1 / 16, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the features, what each level of a matryoshka dictionary adds: widths double. No peer has a default."""


WARMUP, DECAY, PRICE_WARMUP, DEAD = 0.02, 0.2, 0.05, 0.05
"""The common setting, in shares of the run: how long the learning rate rises, falls at the end, how long the price of
activity rises, and after how long without firing a feature is dead."""


class NoSuchVariant(Exception):
    """The peer does not train what was asked for."""


@dataclass
class Trained:
    """A dictionary as the peer saves it, and the peer's own reading of it."""

    version: str
    """The peer's."""
    activation: str
    """``topk``, ``relu``, ``jumprelu`` or ``gated``: how pre-activations become codes."""
    tensors: dict[str, Tensor]
    """``encoder [d, features]``, ``encoder_bias``, ``decoder [features, d]``, ``bias``; and of a jumprelu
    ``thresholds``, of a gated dictionary ``magnitude_scale`` and ``magnitude_bias``."""
    centred: bool
    """Whether ``bias`` is subtracted from what the encoder reads."""
    reconstruct: Callable[[Tensor], Tensor]
    """The peer's own inference."""
    changed: dict[str, Any] = field(default_factory=dict)
    """Defaults of the peer that could not stay, and what they became."""


def sae_lens(asked: Namespace, batches: Iterator[Tensor]) -> Trained:
    """``SAETrainer.fit`` on a training SAE; the dictionary is what it saves for inference."""
    from sae_lens import SAE
    from sae_lens import saes as variants
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer
    from safetensors.torch import load_file

    names = {"topk": "TopK", "batchtopk": "BatchTopK", "matryoshka": "MatryoshkaBatchTopK", "gated": "Gated"}
    # Its only L1 counts activity by what it writes, over directions of any norm, whatever it is asked for.
    names |= {"relu": "Standard", "april": "Standard", "jumprelu": "JumpReLU", "tanh": "JumpReLU"}
    if asked.variant not in names:
        raise NoSuchVariant(f"sae-lens trains no {asked.variant} dictionary")
    kind = f"{names[asked.variant]}TrainingSAE"
    changed = sae_lens_changes(asked)
    settings: dict[str, Any] = {"d_in": asked.d_model, "d_sae": asked.features}
    if "topk" in asked.variant or asked.variant == "matryoshka":
        settings["k"] = asked.k
    elif asked.coefficient is not None:
        settings["l0_coefficient" if "JumpReLU" in kind else "l1_coefficient"] = asked.coefficient
    config = getattr(variants, f"{kind}Config")
    of_sae, of_trainer = split(changed | asked.options, config, SAETrainerConfig)
    rate = of_trainer.setdefault("lr", 3e-4)
    loop = {"total_training_samples": asked.steps * asked.batch, "train_batch_size_samples": asked.batch}
    # lr_end has no default here; a tenth is what its language model runner fills in.
    loop |= {"autocast": asked.dtype == "bfloat16", "lr_end": rate / 10} | of_trainer
    sae = getattr(variants, kind)(config(**settings | of_sae))
    SAETrainer(SAETrainerConfig(**loop, logger=LoggingConfig(log_to_wandb=False)), sae, batches).fit()
    with tempfile.TemporaryDirectory() as folder:
        weights, _ = sae.save_inference_model(folder)
        saved, own = load_file(weights), SAE.load_from_disk(folder)
    tensors = {"encoder": saved["W_enc"], "decoder": saved["W_dec"], "bias": saved["b_dec"]}
    activation = {"april": "relu"}.get(asked.variant, asked.variant)
    if asked.variant == "gated":
        tensors |= {"encoder_bias": saved["b_gate"], "magnitude_bias": saved["b_mag"]}
        tensors["magnitude_scale"] = saved["r_mag"].exp()
    else:
        tensors["encoder_bias"] = saved["b_enc"]
    if "threshold" in saved:
        activation, tensors["thresholds"] = "jumprelu", saved["threshold"]
    changed = {name: value for name, value in changed.items() if name not in asked.options}
    return Trained(version("sae-lens"), activation, tensors, sae.cfg.apply_b_dec_to_input, own, changed)


def sae_lens_changes(asked: Namespace) -> dict[str, Any]:
    """Its defaults that cannot stay in a short run, what has none, and those of the common setting."""
    changed: dict[str, Any] = {}
    if asked.variant in ("batchtopk", "matryoshka"):  # A short run ends before the average has left 0.
        changed["topk_threshold_lr"] = max(0.01, 20 / max(asked.steps, 40))
    if asked.variant == "matryoshka":
        sums = [sum(SHARES[: level + 1]) for level in range(len(SHARES))]
        changed["matryoshka_widths"] = [int(asked.features * share) for share in sums]
    if asked.variant == "tanh":  # What its documentation gives as Anthropic's.
        changed |= {"jumprelu_sparsity_loss_mode": "tanh", "jumprelu_ste_to_input": True}
        changed |= {"jumprelu_init_threshold": 0.1, "jumprelu_bandwidth": 2.0}
        changed |= {"pre_act_loss_coefficient": 3e-6}
    if asked.learning_rate is not None:
        changed |= {"lr": asked.learning_rate, "lr_warm_up_steps": int(WARMUP * asked.steps)}
        changed |= {"lr_decay_steps": int(DECAY * asked.steps)}
        changed |= {"dead_feature_window": max(1, int(DEAD * asked.steps))}
        price = {"april": "l1", "relu": "l1", "gated": "l1", "jumprelu": "l0", "tanh": "l0"}.get(
            asked.variant
        )
        if price:
            changed[f"{price}_warm_up_steps"] = int(PRICE_WARMUP * asked.steps)
    return changed


def eai_sparsify(asked: Namespace, batches: Iterator[Tensor]) -> Trained:
    """``Trainer.fit`` on a model whose only module hands the batches through, as its hook expects."""
    if asked.variant not in ("topk", "multi_topk"):
        raise NoSuchVariant(f"eai-sparsify trains no {asked.variant} dictionary: it has topk and groupmax")
    os.environ.setdefault("SPARSIFY_DISABLE_TRITON", "1")  # Its Triton decoder cannot run on a CPU.
    from sparsify import SparseCoder, SparseCoderConfig, TrainConfig, Trainer

    class Source(torch.nn.Module):
        """Stands where the language model would: each forward pass puts one batch through ``site``."""

        def __init__(self) -> None:
            super().__init__()
            self.site, self.feed = torch.nn.Identity(), None
            self.device = torch.device("cpu")
            self.dummy_inputs = {"input_ids": torch.zeros(1, 1, dtype=torch.int64)}
            self.__dict__["base_model"] = self

        def forward(self, input_ids: Tensor) -> Tensor:
            x = torch.zeros(1, asked.d_model) if self.feed is None else next(self.feed)
            return self.site(x[None])

    changed: dict[str, Any] = {}
    if asked.learning_rate is not None:  # Its Adam's rate falls linearly from the warm-up to the end.
        changed |= {"optimizer": "adam", "lr": asked.learning_rate}
        changed |= {"lr_warmup_steps": int(WARMUP * asked.steps), "auxk_alpha": 1 / 32}
        changed |= {"dead_feature_threshold": int(DEAD * asked.tokens)}
    of_sae, of_trainer = split(changed | asked.options, SparseCoderConfig, TrainConfig)
    settings = {"num_latents": asked.features, "k": asked.k, "multi_topk": asked.variant == "multi_topk"}
    sae = SparseCoderConfig(**settings | of_sae)
    texts = [{"input_ids": torch.zeros(asked.batch, dtype=torch.int64)} for _ in range(asked.steps)]
    with tempfile.TemporaryDirectory() as folder:
        loop = {"batch_size": 1, "hookpoints": ["site"], "init_seeds": [asked.seed]}
        loop |= {"save_dir": folder, "save_every": asked.steps + 2, "log_to_wandb": False}
        source = Source()
        trainer = Trainer(TrainConfig(sae, **loop | of_trainer), texts, source)
        source.feed = batches
        if asked.dtype == "bfloat16":  # Its own autocast, of the forward pass, is for CUDA alone.
            coder = trainer.saes["site"]
            coder.forward = torch.autocast("cpu", torch.bfloat16)(coder.forward)
        trainer.fit()
        own = SparseCoder.load_from_disk(Path(folder) / "unnamed" / "site")
    own.requires_grad_(False)
    tensors = {"encoder": own.encoder.weight.T, "encoder_bias": own.encoder.bias, "decoder": own.W_dec}
    tensors["bias"] = own.b_dec
    # Multi-TopK leaves the reconstruction of 4k features in its output.
    own.cfg.multi_topk = False
    changed = {name: value for name, value in changed.items() if name not in asked.options}
    return Trained(version("eai-sparsify"), "topk", tensors, True, lambda x: own(x).sae_out, changed)


def dictionary_learning(asked: Namespace, batches: Iterator[Tensor]) -> Trained:
    """The trainer's ``update`` for each batch, as ``trainSAE`` calls it."""
    from dictionary_learning import trainers as variants
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
    from dictionary_learning.trainers.p_anneal import PAnnealTrainer
    from dictionary_learning.trainers.standard import StandardTrainerAprilUpdate

    trainers = {"topk": variants.TopKTrainer, "batchtopk": variants.BatchTopKTrainer}
    trainers |= {"matryoshka": MatryoshkaBatchTopKTrainer, "gated": variants.GatedSAETrainer}
    trainers |= {"relu": variants.StandardTrainer, "april": StandardTrainerAprilUpdate}
    trainers |= {"jumprelu": variants.JumpReluTrainer, "p_anneal": PAnnealTrainer}
    if asked.variant not in trainers:
        raise NoSuchVariant(f"dictionary-learning trains no {asked.variant} dictionary")
    settings: dict[str, Any] = {"steps": asked.steps, "activation_dim": asked.d_model, "layer": 0}
    settings |= {"dict_size": asked.features, "lm_name": "none", "device": "cpu", "seed": asked.seed}
    # Its option of trainSAE: mean square norm 1 while it trains.
    normalised = asked.options.get("normalize_activations", False)
    sparse = "topk" in asked.variant or asked.variant == "matryoshka"
    if sparse:
        settings["k"] = asked.k
    elif asked.variant == "jumprelu":
        settings["target_l0"] = float(asked.k)
    elif asked.coefficient is not None:
        name = "initial_sparsity_penalty" if asked.variant == "p_anneal" else "l1_penalty"
        settings[name] = asked.coefficient / (asked.d_model**0.5 if normalised else 1)
    changed = dictionary_learning_changes(asked, sparse)
    changed = {name: value for name, value in changed.items() if name not in asked.options}
    options = {name: value for name, value in asked.options.items() if name != "normalize_activations"}
    trainer = trainers[asked.variant](**settings | changed | options)
    if asked.learning_rate is not None and sparse:  # An attribute that no argument sets.
        trainer.dead_feature_threshold = int(DEAD * asked.tokens)
    half, norm = asked.dtype == "bfloat16", 1.0
    for step, x in enumerate(batches):
        if normalised and step == 0:
            norm = float(x.square().sum(1).mean().sqrt())
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            trainer.update(step, x / norm if normalised else x)
    trainer.ae.scale_biases(norm)
    own = trainer.ae.requires_grad_(False)
    activation, tensors = dictionary_learning_tensors(asked, own)
    centred = asked.variant != "jumprelu"
    return Trained(version("dictionary-learning"), activation, tensors, centred, own, changed)


def dictionary_learning_tensors(asked: Namespace, own: torch.nn.Module) -> tuple[str, dict[str, Tensor]]:
    """How codes are made, and the weights, of one of its dictionaries."""
    saved = own.state_dict()
    tensors = {"encoder": saved.get("W_enc"), "decoder": saved.get("W_dec")}
    if tensors["encoder"] is None:
        tensors = {"encoder": saved["encoder.weight"].T, "decoder": saved["decoder.weight"].T}
    tensors["bias"] = next(saved[name] for name in ("b_dec", "bias", "decoder_bias") if name in saved)
    names = ("b_enc", "encoder.bias", "gate_bias")
    tensors["encoder_bias"] = next(saved[name] for name in names if name in saved)
    forms = {"batchtopk": "jumprelu", "matryoshka": "jumprelu", "april": "relu", "p_anneal": "relu"}
    activation = forms.get(asked.variant, asked.variant)
    if activation == "jumprelu":
        tensors["thresholds"] = saved["threshold"].expand(asked.features)
    if activation == "gated":
        tensors |= {"magnitude_scale": saved["r_mag"].exp(), "magnitude_bias": saved["mag_bias"]}
    return activation, tensors


def dictionary_learning_changes(asked: Namespace, sparse: bool) -> dict[str, Any]:
    """Its defaults that cannot stay in a short run, and those of the common setting.

    A warm-up as long as the run is refused, and the threshold of batchtopk is not set at all before step 1000 and
    averaged over the 1000 that follow. Its p begins to fall at step 15,000.
    """
    common = asked.learning_rate is not None
    changed: dict[str, Any] = {"warmup_steps": min(1000, asked.steps // 10)}
    if common:
        changed = {"lr": asked.learning_rate, "warmup_steps": int(WARMUP * asked.steps)}
        changed["decay_start"] = int((1 - DECAY) * asked.steps)
    if sparse:
        changed["threshold_start_step"] = min(1000, asked.steps // 2)
        changed["threshold_beta"] = min(0.999, 1 - 20 / max(asked.steps, 40))
    else:
        warmup = int(PRICE_WARMUP * asked.steps) if common else asked.steps // 5
        changed["sparsity_warmup_steps"] = min(2000, warmup)
    if asked.variant == "matryoshka":
        changed["group_fractions"] = list(SHARES)
    if asked.variant == "p_anneal":
        changed["anneal_start"] = min(15_000, int(0.3 * asked.steps))
        if common:  # Those of its paper (2408.00113).
            changed |= {"sparsity_function": "Lp^p", "p_end": 0.2}
    return changed


def overcomplete(asked: Namespace, batches: Iterator[Tensor]) -> Trained:
    """``train_sae`` for one epoch, with the optimiser of its README."""
    if asked.variant not in ("topk", "batchtopk", "relu", "jumprelu"):
        raise NoSuchVariant(f"overcomplete trains no {asked.variant} dictionary")
    # Its image models, which nothing here uses, want torchvision as soon as the package is imported.
    sys.modules.setdefault("torchvision", types.ModuleType("torchvision")).transforms = None
    from overcomplete.sae import SAE, BatchTopKSAE, JumpSAE, TopKSAE
    from overcomplete.sae.train import train_sae, train_sae_amp

    size = (asked.d_model, asked.features)
    if asked.variant == "topk":
        own = TopKSAE(*size, top_k=asked.k)
    elif asked.variant == "batchtopk":  # Its top_k is that of the whole batch.
        own = BatchTopKSAE(*size, top_k=asked.k * asked.batch)
    else:
        own = SAE(*size) if asked.variant == "relu" else JumpSAE(*size)
    changed: dict[str, Any] = {} if asked.learning_rate is None else {"lr": asked.learning_rate}
    rate = asked.options.get("lr", changed.get("lr", 5e-4))
    optimiser, criterion = torch.optim.Adam(own.parameters(), lr=rate), overcomplete_criterion(asked, own)
    loop: dict[str, Any] = {"nb_epochs": 1, "monitoring": 0, "device": "cpu"}
    if asked.learning_rate is not None:
        changed |= {"warmup": WARMUP, "decay": DECAY}
        loop["scheduler"] = torch.optim.lr_scheduler.LambdaLR(optimiser, partial(trapezium, asked.steps))
    train = train_sae_amp if asked.dtype == "bfloat16" else train_sae
    train(own, batches, criterion, optimiser, **loop)
    own.requires_grad_(False).eval()
    linear = own.encoder.final_block[0]
    tensors = {"encoder": linear.weight.T, "encoder_bias": linear.bias, "decoder": own.get_dictionary()}
    tensors["bias"] = torch.zeros(asked.d_model)
    activation = asked.variant
    if asked.variant in ("batchtopk", "jumprelu"):
        activation = "jumprelu"
        limits = own.running_threshold if asked.variant == "batchtopk" else own.thresholds.exp()
        tensors["thresholds"] = limits.float().expand(asked.features)
    return Trained(version("overcomplete"), activation, tensors, False, lambda x: own(x)[2], changed)


def overcomplete_criterion(asked: Namespace, own: torch.nn.Module) -> Callable[..., Tensor]:
    """The squared error of its README; with its L1 for relu, and rising thresholds as in its notebook."""
    from overcomplete.sae import losses

    options = {"lr": None, "loss": "plain", "penalty": 1.0}
    if (
        asked.coefficient is not None
    ):  # Its L1 is summed over the whole batch, its error averaged over all entries.
        options["penalty"] = asked.coefficient / (asked.batch * asked.d_model)
    options |= asked.options
    if unknown := set(options) - {"lr", "loss", "penalty"}:
        raise SystemExit(f"no option of this peer is called {', '.join(sorted(unknown))}")

    def criterion(*parts: Tensor) -> Tensor:
        x, x_hat, _, codes, _ = parts
        if asked.variant == "relu":
            return losses.mse_l1(*parts, penalty=options["penalty"])
        if options["loss"] == "auxiliary":
            return losses.top_k_auxiliary_loss(*parts)
        loss = (x - x_hat).square().mean()
        if asked.variant == "jumprelu" and (codes > 0).float().sum(-1).mean() > asked.k:
            loss -= options["penalty"] * own.thresholds.sum()
        return loss

    return criterion


def trapezium(steps: int, step: int) -> float:
    """The common setting's factor of the learning rate."""
    return min(1.0, (step + 1) / max(1.0, WARMUP * steps), (steps - step) / (DECAY * steps))


ADAPTERS = {
    "sae-lens": sae_lens,
    "eai-sparsify": eai_sparsify,
    "dictionary-learning": dictionary_learning,
    "overcomplete": overcomplete,
}
"""The peer's name in the package index -> how it trains."""


def split(options: dict[str, Any], first: type, second: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options that are fields of the one dataclass, and those of the other."""
    names = [{entry.name for entry in fields(kind)} for kind in (first, second)]
    if unknown := set(options) - names[0] - names[1]:
        raise SystemExit(f"no option of this peer is called {', '.join(sorted(unknown))}")
    ours = {name: value for name, value in options.items() if name in names[0]}
    return ours, {name: value for name, value in options.items() if name not in names[0]}
