"""A language model with its tokenizer: run it, read it, let it write."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.errors import UnknownSite, WrongUse, nearest
from monoscope.manifest import content_hash
from monoscope.models.families import family_of
from monoscope.models.hooks import read
from monoscope.models.loading import (
    device_named,
    dtype_named,
    locate,
    read_folder,
    tokenizer_files,
    weight_files,
)
from monoscope.models.reading import Reading, positions
from monoscope.models.sampling import Sampling
from monoscope.models.sites import Site
from monoscope.models.vocabulary import readable_tokens
from monoscope.models.writing import requests_for, write, written_texts


def load_model(
    name_or_path: str | Path = "builtin", *, device: str = "auto", dtype: str = "auto"
) -> "LanguageModel":
    """Read a language model, ready to run.

    Args:
        name_or_path: ``builtin``, a folder, or a Hugging Face id (from its cache, else from the network).
        device: ``auto`` (CUDA where there is one, else the CPU) or a torch device.
        dtype: ``auto`` (bfloat16 on CUDA and on CPUs with AMX, else float32), ``float32`` or ``bfloat16``.

    Raises:
        MissingInput: there is no such folder or model.
        BrokenInput: the folder holds no model, or one that cannot be read or is of an unknown architecture.
        UnknownName: no such dtype or device.
    """
    place = device_named(device)
    precision = dtype_named(dtype, place)
    name, folder = locate(name_or_path)
    model, tokenizer = read_folder(folder, place, precision)
    return LanguageModel(model, tokenizer, name=name, folder=folder)


class LanguageModel:
    """A causal language model of Hugging Face and its tokenizer, with named sites.

    Args:
        model: the Hugging Face model, on its device, in evaluation mode.
        tokenizer: its fast tokenizer.
        name: short name, for instance ``builtin``: the first part of a feature's address.
        folder: the folder both were read from; hashes are those of its files.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str, folder: Path) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.folder = folder
        self.family = family_of(model)
        self.n_blocks: int = model.config.num_hidden_layers
        self._module_paths = self.family.module_paths(self.n_blocks)
        self.d_model: int = model.config.hidden_size
        self.context: int = model.config.max_position_embeddings
        self.vocabulary_size: int = model.get_output_embeddings().weight.shape[0]
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype
        self.bos_id: int | None = tokenizer.bos_token_id
        added = tokenizer.added_tokens_decoder
        self.special_ids: frozenset[int] = frozenset(tokenizer.all_special_ids) | {
            number for number, token in added.items() if token.special
        }
        """Tokens that stand for no text: beginning, end, padding and the like."""
        stated = model.generation_config.eos_token_id
        several = stated if isinstance(stated, list) else [stated]
        self.ends: frozenset[int] = frozenset(
            token for token in [*several, tokenizer.eos_token_id] if token is not None
        )
        """Tokens that end a text, by the tokenizer and by the model's own generation settings."""
        self.reading: Reading | None = None
        """What the model is reading just now, for edits that depend on the token; None between runs."""

    # Sites

    def sites(self) -> list[Site]:
        """Every site of this model, in execution order."""
        return self.family.sites(self.n_blocks)

    def resolve(self, name: str | Site) -> Site:
        """The site of that name: ours, TransformerLens's, or a Hugging Face module path.

        A module path stands for the module's output (``model.layers.2``, ``layers.2.mlp``), or with
        ``.input`` or ``.output`` at its end for that side.

        Raises:
            UnknownSite: this model has no such site; the hint lists the nearest names.
        """
        if isinstance(name, Site):
            site = name
        elif name in self._module_paths:
            return self._module_paths[name]
        else:
            try:
                site = Site.parse(name)
            except UnknownSite as error:
                hint = nearest(name, [*map(str, self.sites()), *self._module_paths])
                raise UnknownSite(f"{name!r} is not a site of {self.name}", hint) from error
        if site.block >= self.n_blocks:
            raise UnknownSite(
                f"{site} is not a site of {self.name}, which has {self.n_blocks} blocks",
                f"the deepest is blocks.{self.n_blocks - 1}.{site.kind}",
            )
        self.family.place(site)
        return site

    def width(self, site: Site | str) -> int:
        """How many numbers an activation at that site has."""
        site = self.resolve(site)
        if site.kind not in ("attn_z", "mlp_hidden"):
            return self.d_model
        projection = self.model.get_submodule(self.family.place(site).module)
        # A Linear's weight is [output, input]; GPT-2's Conv1D names its input width nx.
        return projection.nx if hasattr(projection, "nx") else projection.in_features

    # Text and tokens

    def tokenize(self, text: str, *, bos: bool = True) -> Int[Tensor, " token"]:
        """The tokens of a text, with the beginning-of-text token in front when the tokenizer has one."""
        tokens = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        first = [self.bos_id] if bos and self.bos_id is not None else []
        return torch.tensor(first + tokens, dtype=torch.long)

    def decode(self, ids: Sequence[int] | Int[Tensor, " token"] | Int[np.ndarray, " token"]) -> str:
        """The text of some tokens, special tokens left out."""
        return self.tokenizer.backend_tokenizer.decode(
            [int(token) for token in ids], skip_special_tokens=True
        )

    def token_strings(
        self, ids: Sequence[int] | Int[Tensor, " token"] | Int[np.ndarray, " token"]
    ) -> list[str]:
        """Each token as readable text, spaces kept: ``[" bridge", "s"]``."""
        return readable_tokens(self.tokenizer.backend_tokenizer, [int(token) for token in ids])

    def vocabulary_strings(self) -> list[str]:
        """``token_strings`` of every token that the model can write."""
        return self.token_strings(range(self.vocabulary_size))

    # Running

    @torch.no_grad()
    def forward(
        self,
        tokens: Int[Tensor, "batch token"],
        *,
        attention_mask: Int[Tensor, "batch token"] | None = None,
        first: int = 0,
    ) -> Float[Tensor, "batch logits vocabulary"]:
        """Logits of the next token at every position, float32; masked tokens (0) change nothing elsewhere.

        Args:
            tokens: what the model reads.
            attention_mask: 0 for tokens that it does not.
            first: logits are computed from this position on.

        Raises:
            WrongUse: the rows are longer than the model's context, or end before ``first``.
        """
        inputs = self._inputs(tokens)
        mask = torch.ones_like(inputs["input_ids"])
        if attention_mask is not None:
            mask = attention_mask.to(self.device)
            inputs |= {"attention_mask": mask, "position_ids": positions(mask).clamp(min=0)}
        if first:
            if not 0 < first < tokens.shape[1]:
                raise WrongUse(
                    f"there are no logits from token {first} on", f"the rows have {tokens.shape[1]} tokens"
                )
            inputs |= {"logits_to_keep": tokens.shape[1] - first}
        with self.reads(self._as_prompts(inputs["input_ids"], mask)):
            return self.model(**inputs).logits.float()

    @torch.no_grad()
    def activations(
        self, tokens: Int[Tensor, "batch token"], sites: Sequence[Site | str]
    ) -> dict[Site, Float[Tensor, "batch token width"]]:
        """What passes at ``sites``, in the model's dtype; nothing deeper than the deepest is computed.

        Raises:
            UnknownSite: the model has no such site.
            WrongUse: the rows are longer than the model's context.
        """
        inputs = self._inputs(tokens)
        reading = self._as_prompts(inputs["input_ids"], torch.ones_like(inputs["input_ids"]))
        with self.reads(reading), read(self, sites, stop=True) as values:
            self.model.base_model(**inputs)
        return values

    @contextmanager
    def reads(self, reading: Reading | None) -> Iterator[None]:
        """Inside the block, ``reading`` is what the model is said to read."""
        before, self.reading = self.reading, reading
        try:
            yield
        finally:
            self.reading = before

    def _as_prompts(self, tokens: Int[Tensor, "batch token"], mask: Int[Tensor, "batch token"]) -> Reading:
        """Texts of which nothing was written by the model."""
        return Reading(tokens, positions(mask), mask.sum(dim=-1), self.special_ids)

    def _inputs(self, tokens: Int[Tensor, "batch token"]) -> dict[str, Any]:
        self.check_length(tokens.shape[1], "shorten or split the text")
        return {"input_ids": tokens.to(self.device), "use_cache": False}

    def check_length(self, length: int, advice: str) -> None:
        """Refuse more tokens than the model can read.

        Raises:
            WrongUse: there are, and this is what to do.
        """
        if length > self.context:
            raise WrongUse(f"{length} tokens do not fit the context of {self.name}, {self.context}", advice)

    # Writing

    def generate(
        self,
        prompts: str | Sequence[str],
        *,
        n_tokens: int = 60,
        temperature: float = 0.8,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        first_index: int = 0,
        stop: Sequence[str] = (),
        cache: bool = True,
    ) -> str | list[str]:
        """Continue one prompt (returns a text) or several (returns a list); the prompts are not repeated.

        Sample ``i`` has a generator of its own, seeded by ``(seed, first_index + i)``: neither its neighbours
        in the batch nor the cache change what it says, but for rounding (which in float32 changes no token).

        Args:
            prompts: what to continue; a beginning-of-text token is put in front where the tokenizer has one.
            n_tokens: the longest continuation; a sample ends earlier at the model's end-of-text token.
            temperature: 0 takes the likeliest token every time.
            top_p: draw among the likeliest tokens that together hold this share of the probability.
            repetition_penalty: above 1, makes tokens that are already there less likely.
            seed: seed of all samples, not negative.
            first_index: number of the first sample: a batch in two halves says what it says whole.
            stop: a sample ends before the first of these strings.
            cache: keep keys and values of earlier tokens; slower without, and the same.

        Raises:
            WrongUse: a prompt is empty, does not fit the context with its continuation, or an option is out
                of range.
        """
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        sampling = Sampling(temperature=temperature, top_p=top_p, repetition_penalty=repetition_penalty)
        requests = requests_for(
            self, texts, n_tokens=n_tokens, sampling=sampling, seed=seed, first_index=first_index
        )
        continuations = written_texts(self, requests, stop, cache=cache)
        return continuations[0] if isinstance(prompts, str) else continuations

    def stream(
        self,
        prompt: str,
        *,
        n_tokens: int = 60,
        temperature: float = 0.8,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """Continue a prompt piece by piece: joined, the pieces are what :meth:`generate` gives.

        Args and errors as :meth:`generate`; nothing is written before the first piece is asked for.
        """
        sampling = Sampling(temperature=temperature, top_p=top_p, repetition_penalty=repetition_penalty)
        requests = requests_for(self, [prompt], n_tokens=n_tokens, sampling=sampling, seed=seed)
        return (step.text for _, step in write(self, requests, stop) if step.text)

    # Weights

    def unembedding(self) -> Float[Tensor, "d_model vocabulary"]:
        """The matrix from the final norm's output to logits, float32; a bias, if any, is not in it."""
        return self.model.get_output_embeddings().weight.detach().float().T

    def final_norm_weight(self) -> Float[Tensor, " d_model"]:
        """The gain of the norm before the unembedding, float32: what multiplies the normed activation."""
        weight = self._final_norm.weight
        if weight is None:
            return torch.ones(self.d_model, device=self.device)
        return weight.detach().float() + self.family.gain_offset

    @property
    def final_norm_centres(self) -> bool:
        """Whether the norm before the unembedding subtracts the mean (LayerNorm) or not (RMSNorm)."""
        return isinstance(self._final_norm, torch.nn.LayerNorm)

    @property
    def _final_norm(self) -> Any:
        return self.model.get_submodule(self.family.final_norm)

    @cached_property
    def hash(self) -> str:
        """Content hash of the weights and the configuration."""
        return content_hash(self.folder / "config.json", *weight_files(self.folder))

    @cached_property
    def tokenizer_hash(self) -> str:
        """Content hash of what turns text into tokens."""
        return content_hash(*tokenizer_files(self.folder))
