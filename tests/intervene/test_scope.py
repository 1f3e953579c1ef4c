"""Which tokens are changed: the same ones however a text is run."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import UnknownName, WrongUse
from monoscope.intervene import Add, Cap, Clamp, Rule, Scale, Scope, When, edit_function, steer, steer_each
from monoscope.models import LanguageModel, read

TEXT = "The old bridge crosses the water, and fog comes in"
PROMPTS = ["Once upon a time", "The", "Fog comes in from the sea and hides the towers of"]

counts = st.integers(1, 40)
scopes = st.builds(
    lambda told, skip: Scope(**told, skip_special=skip),
    st.one_of(
        st.builds(lambda part: {"part": part}, st.sampled_from(["all", "prompt", "generated"])),
        st.builds(lambda n: {"first": n}, counts),
        st.builds(lambda n: {"last": n}, counts),
        st.builds(lambda a, n: {"span": (a, a + n)}, counts, counts),
    ),
    st.booleans(),
)


@given(scopes)
def test_a_scope_is_read_as_it_is_written(scope: Scope) -> None:
    assert Scope.parse(str(scope)) == scope


@pytest.mark.parametrize(
    "told", ["first", "first:0", "last:-1", "9:3", "promt", "all,words", "generated:4", ""]
)
def test_what_is_no_scope_is_refused(told: str) -> None:
    with pytest.raises(WrongUse):
        Scope.parse(told)


def test_the_nearest_scope_is_told() -> None:
    with pytest.raises(UnknownName, match="generated"):
        Scope.parse("genrated")


def changed(lm: LanguageModel, run: Callable[[], Any], site: str) -> Tensor:
    with read(lm, [site]) as values:
        run()
    return values[lm.resolve(site)]


def tokens_changed(lm: LanguageModel, dictionary: SparseAutoencoder, rule: Rule) -> list[int]:
    """Which tokens of the text differ from the unsteered ones, to the bit."""
    tokens = lm.tokenize(TEXT)[None]
    plain = changed(lm, lambda: lm.forward(tokens), dictionary.site)
    with steer(lm, dictionary, [rule]):
        steered = changed(lm, lambda: lm.forward(tokens), dictionary.site)
    return (steered != plain).any(-1)[0].nonzero().flatten().tolist()


def test_scopes_change_their_tokens_and_leave_the_bits_of_the_others(tiny_llama, dictionary, live) -> None:
    n = len(tiny_llama.tokenize(TEXT))

    def hit(scope: Scope) -> list[int]:
        return tokens_changed(
            tiny_llama, dictionary, Rule(edit=Add(2), features={live[0]: 1, live[1]: 0.5}, scope=scope)
        )

    assert hit(Scope()) == list(range(n))
    assert hit(Scope(part="prompt")) == list(range(n))
    assert hit(Scope(part="generated")) == []
    assert hit(Scope(first=3)) == [0, 1, 2]
    assert hit(Scope(last=2)) == [n - 2, n - 1]
    assert hit(Scope(span=(2, 5))) == [2, 3, 4]
    assert hit(Scope(first=3, skip_special=True)) == [1, 2]


def rules(live: Sequence[int]) -> list[list[Rule]]:
    return [
        [Rule(edit=Clamp(3), features={live[0]: 1}, scope=Scope(part="generated"))],
        [Rule(edit=Add(2), features={live[1]: 1}, scope=Scope(last=2), keep_norm=True)],
        [Rule(edit=Clamp(4), features={live[0]: 1, live[2]: -0.5}, ramp=6)],
        [Rule(edit=Add(3), features={live[3]: 1}, when=When(live[0], above=0.2))],
        [
            Rule(edit=Scale(-3), features={live[0]: 1}, scope=Scope(span=(1, 9), skip_special=True)),
            Rule(edit=Cap(0.3), features={live[1]: 1}),
        ],
        [],
    ]


@pytest.mark.parametrize("which", range(6))
def test_cache_batch_and_padding_change_no_token(tiny_llama, dictionary, live, which: int) -> None:
    lm, rule = tiny_llama, rules(live)[which]
    drawn: dict[str, Any] = {"n_tokens": 12, "temperature": 0.9, "seed": 3}
    plain = lm.generate(PROMPTS, **drawn)
    with steer(lm, dictionary, rule):
        together = lm.generate(PROMPTS, **drawn)
        assert together == lm.generate(PROMPTS, cache=False, **drawn)
        alone = [lm.generate(prompt, first_index=i, **drawn) for i, prompt in enumerate(PROMPTS)]
        assert together == alone
    assert (together == plain) is (not rule)
    assert lm.generate(PROMPTS, **drawn) == plain


def test_each_text_of_a_batch_has_its_own_edits(tiny_llama, dictionary, live) -> None:
    lm, own = tiny_llama, rules(live)
    prompts = (PROMPTS * 2)[: len(own)]
    drawn: dict[str, Any] = {"n_tokens": 10, "temperature": 0.9, "seed": 3}
    with steer_each(lm, dictionary, own):
        together = lm.generate(prompts, **drawn)
    for row, (prompt, rule) in enumerate(zip(prompts, own, strict=True)):
        with steer(lm, dictionary, rule):
            assert lm.generate(prompt, first_index=row, **drawn) == together[row]


@pytest.mark.parametrize("n_tokens", [3, 40], ids=["few", "many"])
def test_what_overflows_in_one_text_stays_there(tiny_llama, dictionary, live, n_tokens: int) -> None:
    """Whether a compiled loop or torch's own operations change the activations."""
    tokens = torch.randint(5, 50, (2, n_tokens), generator=torch.Generator().manual_seed(0))
    alone = tiny_llama.forward(tokens[1:])
    overflowing = [Rule(edit=Clamp(value=1e300), features={live[0]: 1})]
    with steer_each(tiny_llama, dictionary, [overflowing, []]):
        both = tiny_llama.forward(tokens)
    assert not both[0].isfinite().all()
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-4)


def test_a_condition_decides_token_by_token(tiny_llama, dictionary, live) -> None:
    tokens = tiny_llama.tokenize(TEXT)[None]
    (x,) = tiny_llama.activations(tokens, [dictionary.site]).values()
    codes = dictionary.encode(x)[0, :, live[0]]
    bound = float(codes.max()) / 2 / float(dictionary.max_activation[live[0]])
    active = (codes > codes.max() / 2).nonzero().flatten().tolist()
    assert 0 < len(active) < tokens.shape[1]
    for otherwise in (False, True):
        rule = Rule(edit=Add(2), features={live[1]: 1}, when=When(live[0], above=bound, otherwise=otherwise))
        found = tokens_changed(tiny_llama, dictionary, rule)
        assert found == [t for t in range(tokens.shape[1]) if (t in active) is not otherwise]


def test_a_ramp_grows_evenly(tiny_llama, dictionary, live) -> None:
    tokens = tiny_llama.tokenize(TEXT)[None]
    plain = changed(tiny_llama, lambda: tiny_llama.forward(tokens), dictionary.site)
    rule = Rule(edit=Add(value=6.0), features={live[0]: 1}, scope=Scope(span=(2, 50)), ramp=4)
    with steer(tiny_llama, dictionary, [rule]):
        steered = changed(tiny_llama, lambda: tiny_llama.forward(tokens), dictionary.site)
    sizes = ((steered - plain)[0] @ dictionary.directions[live[0]]).tolist()
    assert sizes[:6] == pytest.approx([0, 0, 1.5, 3, 4.5, 6], abs=1e-4)
    assert sizes[6:] == pytest.approx([6] * (len(sizes) - 6), abs=1e-4)


def test_norms_are_kept_where_that_is_asked(dictionary, live) -> None:
    x = 3 * torch.randn(2, 5, dictionary.d_model, generator=torch.Generator().manual_seed(0))
    change = edit_function(dictionary, [Rule(edit=Add(5), features={live[0]: 1}, keep_norm=True)])
    torch.testing.assert_close(change(x).norm(dim=-1), x.norm(dim=-1))
    free = edit_function(dictionary, [Rule(edit=Add(5), features={live[0]: 1})])
    assert (free(x).norm(dim=-1) / x.norm(dim=-1) - 1).abs().max() > 0.1
    torch.testing.assert_close(
        torch.nn.functional.normalize(free(x), dim=-1), torch.nn.functional.normalize(change(x), dim=-1)
    )


def test_a_clamp_where_active_leaves_the_other_tokens(dictionary, live) -> None:
    x = torch.randn(40, dictionary.d_model, generator=torch.Generator().manual_seed(0))
    active = dictionary.encode(x)[:, live[0]] > 0
    assert 0 < int(active.sum()) < 40
    found = edit_function(dictionary, {live[0]: Clamp(3, where_active=True)})(x)
    assert torch.equal(found[~active], x[~active])
    torch.testing.assert_close(found[active], edit_function(dictionary, {live[0]: Clamp(3)})(x)[active])


def test_a_cap_takes_away_what_is_above(dictionary, live) -> None:
    x = torch.randn(40, dictionary.d_model, generator=torch.Generator().manual_seed(0))
    codes = dictionary.encode(x)[:, live[0]]
    value = float(codes.max()) / 2
    found = edit_function(dictionary, {live[0]: Cap(value=value)})(x)
    taken = (codes - value).clamp(min=0)
    assert int((taken > 0).sum()) > 0
    torch.testing.assert_close(
        x - found, taken[:, None] * dictionary.directions[live[0]], atol=1e-5, rtol=1e-4
    )


def test_tokens_that_nobody_knows_are_no_silent_default(tiny_llama, dictionary, live) -> None:
    rule = Rule(edit=Clamp(3), features={live[0]: 1}, scope=Scope(first=2))
    with steer(tiny_llama, dictionary, [rule]), pytest.raises(WrongUse, match="not known which tokens"):
        tiny_llama.model(torch.tensor([[4, 5, 6]]))
    with steer(tiny_llama, dictionary, {live[0]: Clamp(3)}):
        tiny_llama.model(torch.tensor([[4, 5, 6]]))


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Scope(first=2, last=2),
        lambda: Scope(part="prompt", span=(1, 2)),
        lambda: Rule(edit=Clamp(1), features={}),
        lambda: Rule(edit=Clamp(1), features={1: 1}, ramp=-1),
        lambda: When(3, above=float("nan")),
        lambda: Cap(float("inf")),
        lambda: Add(),
    ],
)
def test_rules_that_make_no_sense_are_refused(bad: Callable[[], object]) -> None:
    with pytest.raises(WrongUse):
        bad()
