"""Control vectors as edits: what is added is the push, and nothing else happens."""

from typing import Any

import pytest
import torch
from torch import Tensor

from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.intervene import Ablate, Add, Cap, Clamp, Rule, Scope, When, steer, steer_each
from monoscope.models import LanguageModel, edit, read
from monoscope.models.sites import Site
from monoscope.vectors import ControlVector

TEXT = "The old bridge crosses the water, and fog comes in"
PROMPTS = ["Once upon a time", "The", "Fog comes in from the sea and hides the towers of"]


def vector_of(lm: LanguageModel, seed: int = 0, blocks: tuple[int, ...] = (0, 2)) -> ControlVector:
    generator = torch.Generator().manual_seed(seed)
    return ControlVector(
        directions={block: torch.randn(lm.d_model, generator=generator) / 6 for block in blocks},
        norms={block: 2.0 + block for block in blocks},
        d_model=lm.d_model,
        model_hash=lm.hash,
    )


@pytest.fixture
def vector(tiny_llama: LanguageModel) -> ControlVector:
    return vector_of(tiny_llama)


def logits(lm: LanguageModel) -> Tensor:
    return lm.forward(lm.tokenize(TEXT)[None])


def passing(lm: LanguageModel, rule: Rule, site: Site) -> tuple[Tensor, Tensor]:
    """What passes at a site before and after the edit there, deeper blocks left as they are."""
    tokens = lm.tokenize(TEXT)[None]
    with read(lm, [site]) as before, steer(lm, None, [rule]), read(lm, [site]) as after:
        lm.forward(tokens)
    return before[site][0], after[site][0]


def test_adding_is_the_push_of_every_block(tiny_llama, vector) -> None:
    pushes = {
        Site(block, "resid_post"): lambda x, block=block: x + vector.push(block, 0.7)
        for block in vector.blocks
    }
    with edit(tiny_llama, pushes):
        expected = logits(tiny_llama)
    with steer(tiny_llama, None, [Rule(edit=Add(0.7), vector=vector)]):
        torch.testing.assert_close(logits(tiny_llama), expected, rtol=1e-5, atol=1e-5)
    assert (expected - logits(tiny_llama)).abs().max() > 0.01


def test_strength_nought_and_nothing_left_are_the_same_bits(tiny_llama, vector) -> None:
    clean = logits(tiny_llama)
    for rule in (Rule(edit=Add(0), vector=vector), Rule(edit=Add(2), vector=vector - vector)):
        with steer(tiny_llama, None, [rule]):
            assert torch.equal(logits(tiny_llama), clean)
    with steer(tiny_llama, None, [Rule(edit=Add(1), vector=vector), Rule(edit=Add(1), vector=-vector)]):
        torch.testing.assert_close(logits(tiny_llama), clean, rtol=1e-5, atol=1e-5)
    assert torch.equal(logits(tiny_llama), clean)


def test_projected_out_clamped_and_capped(tiny_llama, vector) -> None:
    site, direction = Site(0, "resid_post"), torch.nn.functional.normalize(vector.directions[0], dim=0)
    unit = 2.0 * float(vector.directions[0].norm())
    before, gone = passing(tiny_llama, Rule(edit=Ablate(), vector=vector.at([0])), site)
    assert (gone @ direction).abs().max() < 1e-5
    torch.testing.assert_close(gone, before - (before @ direction)[:, None] * direction, rtol=1e-5, atol=1e-5)
    _, pinned = passing(tiny_llama, Rule(edit=Clamp(0.5), vector=vector.at([0])), site)
    torch.testing.assert_close(pinned @ direction, torch.full((len(pinned),), 0.5 * unit))
    middle = float((before @ direction).median())
    _, capped = passing(tiny_llama, Rule(edit=Cap(value=middle), vector=vector.at([0])), site)
    torch.testing.assert_close(
        capped @ direction, (before @ direction).clamp(max=middle), atol=1e-5, rtol=1e-5
    )
    assert torch.equal(capped[before @ direction < middle], before[before @ direction < middle])


def test_cache_batch_and_padding_change_no_token(tiny_llama, dictionary, live, vector) -> None:
    lm = tiny_llama
    rules = [
        [Rule(edit=Add(0.8), vector=vector, scope=Scope(part="generated"), ramp=3)],
        [Rule(edit=Add(0.5), vector=vector, keep_norm=True), Rule(edit=Clamp(2), features={live[0]: 1})],
        [],
    ]
    drawn: dict[str, Any] = {"n_tokens": 10, "temperature": 0.9, "seed": 3}
    with steer_each(lm, dictionary, rules):
        together = lm.generate(PROMPTS, **drawn)
        assert together == lm.generate(PROMPTS, cache=False, **drawn)
    for row, (prompt, rule) in enumerate(zip(PROMPTS, rules, strict=True)):
        with steer(lm, dictionary, rule):
            assert lm.generate(prompt, first_index=row, **drawn) == together[row]


def test_features_and_vectors_of_one_site_are_one_sum(tiny_llama, dictionary, live, vector) -> None:
    """Each reads the activation before the other has changed it."""
    site = tiny_llama.resolve(dictionary.site)
    beside = vector_of(tiny_llama, blocks=(site.block,))
    (x,) = tiny_llama.activations(tiny_llama.tokenize(TEXT)[None], [site]).values()
    tokens = tiny_llama.tokenize(TEXT)[None]
    found = []
    for edits in ([0], [1], [0, 1]):
        rules = [Rule(edit=Clamp(3), features={live[0]: 1}), Rule(edit=Ablate(), vector=beside)]
        with steer(tiny_llama, dictionary, [rules[i] for i in edits]), read(tiny_llama, [site]) as values:
            tiny_llama.forward(tokens)
        found.append(values[site] - x)
    torch.testing.assert_close(found[0] + found[1], found[2], rtol=1e-4, atol=1e-4)


def test_what_does_not_belong_together_is_refused(tiny_llama, vector) -> None:
    foreign = ControlVector(
        directions=dict(vector.directions), d_model=vector.d_model, model_hash="0123456789abcdef"
    )
    with pytest.raises(MismatchedArtefact, match="0123456789abcdef"), steer(tiny_llama, None, rules(foreign)):
        pass
    wide = ControlVector(directions={1: torch.ones(7)}, d_model=7)
    with pytest.raises(MismatchedArtefact, match="width 7"), steer(tiny_llama, None, rules(wide)):
        pass
    with pytest.raises(WrongUse, match="without a dictionary"), steer(tiny_llama, None, {3: Clamp(1)}):
        pass
    with pytest.raises(WrongUse, match="without a condition"):
        Rule(edit=Add(1), vector=vector, when=When(2))
    with pytest.raises(WrongUse, match="one rule"):
        Rule(edit=Add(1), vector=vector, features={1: 1})


def rules(vector: ControlVector) -> list[Rule]:
    return [Rule(edit=Add(1), vector=vector)]
