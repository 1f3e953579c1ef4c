"""What Neuronpedia calls things: names, identifiers, and texts that its database can hold."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monoscope.errors import BrokenInput, WrongUse
from monoscope.explore.export.source import Origin

ID_LENGTH = 25
"""Characters of an identifier."""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""Characters after the first."""
EXPLANATION_TYPE, EXPLANATION_MODEL = "monoscope_tokens-logits", "monoscope"
"""How descriptions were made: from tokens and logit weights, without a language model."""
METHODS = {
    "tokens": (
        "monoscope: tokens",
        "Tokens that the feature fires on. Score: their share of its activation.",
    ),
    "near": ("monoscope: words near", "Words around the tokens that the feature fires on."),
    "patterns": (
        "monoscope: patterns",
        "Stretches of tokens that the feature fires on the end of. Scores: precision and recall on other text.",
    ),
    "promotes": (
        "monoscope: promotes",
        "Tokens whose logits the feature raises. Score: the first one's weight in standard deviations.",
    ),
    "planted": (
        "monoscope: planted concept",
        "The tagged concept of the corpus that the feature marks. Scores: F1, precision and recall on other text.",
    ),
}
"""Method of a label's description -> name and account of its type of explanation."""
HOOKS = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "attn_z": "attn.hook_z",
    "mlp_hidden": "mlp.hook_post",
    "mlp_out": "hook_mlp_out",
}
"""Kind of site -> TransformerLens hook point, by which Neuronpedia names places; the others have none."""


@dataclass(frozen=True, kw_only=True)
class NeuronpediaOptions:
    """What Neuronpedia wants to know and an index does not."""

    model_id: str = ""
    """Neuronpedia's name of the model; by default the last part of ours, in lower case."""
    source_set: str = ""
    """Name of the set of dictionaries, the same for all layers; by default that of the dictionary."""
    release: str = ""
    """Name of the release; by default that of the source set."""
    creator_name: str = "monoscope"
    """Who made the dictionary."""
    creator_id: str = "clkht01d40000jv08hvalcvly"
    """A user of the database that it goes into; by default the one that Neuronpedia's own converter uses."""
    owner: str = "unknown"
    """Who made the model."""
    layers: int = 0
    """Blocks of the model; 0 where it is not told."""
    neurons_per_layer: int = 0
    """Neurons of a block; 0 where it is not told."""
    dataset: str = ""
    """The corpus, as it is to be shown."""
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    """Time of making, as 2026-01-31T12:00:00.000Z; by default now. With the same time files are the same."""


@dataclass(frozen=True)
class Names:
    """What every line refers to."""

    model: str
    """Neuronpedia's name of the model."""
    source: str
    """``LAYER-SET``."""
    source_set: str
    """Name of the set."""
    release: str
    """Name of the release."""
    hook: str | None
    """Hook point, where TransformerLens has one."""

    @classmethod
    def of(cls, origin: Origin, options: NeuronpediaOptions) -> "Names":
        """Names as Neuronpedia spells them: lower case, no slashes.

        Raises:
            WrongUse: nothing is left of a name.
        """
        kind = origin.site.split(".", 2)[2]
        source_set = spelled(options.source_set or origin.dictionary, "--neuronpedia.source-set")
        return cls(
            model=spelled(
                options.model_id or origin.model.rstrip("/").split("/")[-1], "--neuronpedia.model-id"
            ),
            source=f"{origin.layer}-{source_set}",
            source_set=source_set,
            release=spelled(options.release or source_set, "--neuronpedia.release"),
            hook=f"blocks.{origin.layer}.{HOOKS[kind]}" if kind in HOOKS else None,
        )


def spelled(name: str, option: str) -> str:
    """A name in lower case, with hyphens for whatever is neither a letter nor a digit of ASCII, ``.``, ``_`` or ``-``.

    Raises:
        WrongUse: nothing is left of it.
    """
    kept = [each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in name.lower()]
    if not (short := "".join(kept).strip("-.")):
        raise WrongUse(f"Neuronpedia has no way to write the name {name!r}", f"give {option}")
    return short


def identifier(*what: str | int) -> str:
    """25 characters that begin with c, as identifiers of Neuronpedia do, and that follow from what they name."""
    digest = hashlib.sha256("\0".join(map(str, what)).encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest, "big")
    digits = []
    for _ in range(ID_LENGTH - 1):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "c" + "".join(digits)


def explanation_type(method: str) -> str:
    """Name of the type of explanation that a label's method makes.

    Raises:
        BrokenInput: a method that the importer is not told of: it would refuse the explanation.
    """
    if method not in METHODS:
        raise BrokenInput(
            f"the labels hold descriptions by {method!r}, which this version does not know",
            "export with the version that explained the run",
        )
    return f"monoscope_{method}"


def clean(text: str) -> str:
    """A text that PostgreSQL can hold: spaces for NULs, replacement characters for half characters."""
    return text.replace("\0", " ").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
