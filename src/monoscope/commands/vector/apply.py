"""``monoscope vector apply``: the same prompt, along a vector and without."""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from monoscope.commands.progress import Reporter
from monoscope.commands.vector.place import Blocks, Model, Run, Subject, Vector, blocks_of, find_vector
from monoscope.errors import WrongUse
from monoscope.intervene import Add, Rule, Scope, steer
from monoscope.vectors import ControlVector
from monoscope.vectors.checks import check_finite, listed


@dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """Write on from a prompt twice, with the same dice: as the model is, and pushed along a vector.

    The strength counts in mean residual norms: 0.3 adds three tenths of one behind each of the vector's blocks.
    """

    vector: Vector
    """A folder, a file .npz or .gguf, or with --run the name of a vector of the run."""
    prompt: Annotated[str, tyro.conf.arg(metavar="TEXT")]
    """What to write on from."""
    strength: Annotated[float | None, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")] = None
    """How far; below 0 is the opposite way. The strength that was found to work, where one was, unless given."""
    run: Run = None
    """Folder of a run, whose model writes."""
    model: Model = ""
    """Instead of a run, the model that writes: builtin, a folder, or a Hugging Face id."""
    blocks: Blocks = ()
    """Blocks it is added behind, for instance 2-3; may be repeated; all it has unless given."""
    scope: Annotated[str, tyro.conf.arg(metavar="SCOPE")] = "all"
    """At which tokens: all, prompt, generated, first:8, last:2, 4:10."""
    tokens: int = 60
    """The longest continuation, in tokens."""
    temperature: float = 0.8
    """0 takes the likeliest token every time."""
    seed: int = 0
    """Seed of the dice."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:NUMBER."""
    dtype: str = "auto"
    """What the model computes in: auto, float32 or bfloat16."""


def apply(options: ApplyOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Write with and without the vector.

    Returns:
        ``prompt``, ``default``, ``steered`` (continuations), ``edits`` (``vector``, ``edit``, ``strength``, ``unit``,
        ``blocks``, ``scope``), ``seed``, ``temperature``, ``notes``.
    """
    scope = Scope.parse(options.scope)
    chosen = blocks_of(options.blocks)
    subject = Subject(options.run, options.model, reporter or Reporter(), options.device, options.dtype)
    found = find_vector(options.vector, options.run)
    vector = found.vector if chosen is None else found.vector.at(chosen)
    strength = _strength(options.strength, found.vector, vector)
    lm = subject.lm()
    drawn: dict[str, Any] = {
        "n_tokens": options.tokens, "temperature": options.temperature, "seed": options.seed
    }  # fmt: skip
    with steer(lm, None, [Rule(edit=Add(strength), vector=vector, scope=scope)]):
        steered = lm.generate(options.prompt, **drawn)
    return {
        "prompt": options.prompt,
        "default": lm.generate(options.prompt, **drawn),
        "steered": steered,
        "edits": [
            {
                "vector": found.name,
                "edit": "add",
                "strength": strength,
                "unit": vector.unit,
                "blocks": list(vector.blocks),
                "scope": str(scope),
            }
        ],
        "seed": options.seed,
        "temperature": options.temperature,
        "notes": list(found.notes),
    }


def _strength(told: float | None, whole: ControlVector, part: ControlVector) -> float:
    """The strength that was told, or the one that was found for the whole vector.

    Raises:
        WrongUse: it is not finite; or none was told, and none was found for these blocks.
    """
    if told is not None:
        check_finite("strength", told)
        return told
    hint = "give one: --strength 0.3" if whole.norms else "give one: --strength 1 adds it as it is"
    if whole.recommended is None:
        raise WrongUse("no strength is known to work for this vector", hint)
    if part.blocks != whole.blocks:
        raise WrongUse(
            f"the recommended strength, {whole.recommended:g}, was found for all blocks of this vector", hint
        )
    return whole.recommended


def apply_text(result: dict[str, Any]) -> str:
    """The two texts for people, one under the other."""
    (edit,) = result["edits"]
    return "\n".join(
        [
            *(f"note: {note}" for note in result["notes"]),
            "default:",
            result["prompt"] + result["default"],
            "",
            f"steered ({edit['strength']:+g} x {edit['vector']} in {edit['unit']}s, behind {listed(edit['blocks'])}, "
            f"tokens: {edit['scope']}):",
            result["prompt"] + result["steered"],
        ]
    )
