"""Losses under replacements, against running the model with plain torch hooks."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evaluate.dictionaries import constant, identity
from evaluate.memory import token_rows
from monoscope.activations.rows import TokenRows
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import BrokenInput
from monoscope.evaluate import faithfulness
from monoscope.evaluate.faithfulness import METRICS, FaithfulnessSums, measure, row_losses, spread_rows
from monoscope.evaluate.intervals import IntervalOptions, over_rows
from monoscope.intervene.splice import ablated, spliced
from monoscope.models import LanguageModel

SITE = "blocks.1.resid_post"


@pytest.fixture(scope="module")
def rows(tiny_llama: LanguageModel) -> TokenRows:
    """Rows with a special token inside, too, and padding at the end."""
    special = min(tiny_llama.special_ids)
    made = token_rows(6, 12, {}, padding=4, special=special)
    made.tokens[2, 5] = special
    return made


def plain(lm: LanguageModel, rows: TokenRows, replace: object = None) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy and log-probabilities, by a hook on the Hugging Face module itself."""
    tokens = torch.from_numpy(rows.tokens.astype(np.int64))
    usable = torch.from_numpy(rows.usable)

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return torch.where(usable[..., None], replace(output), output)  # type: ignore[operator]

    handle = lm.model.model.layers[1].register_forward_hook(hook) if replace else None
    with torch.no_grad():
        logits = lm.model(tokens).logits[:, :-1].float()
    if handle:
        handle.remove()
    wanted = usable[:, 1:]
    return nn.functional.cross_entropy(logits[wanted], tokens[:, 1:][wanted]), logits.log_softmax(-1)[wanted]


def measured(lm: LanguageModel, rows: TokenRows, dictionary: SparseAutoencoder, mean: Tensor) -> dict:
    tokens, losses = measure(
        lm,
        rows,
        np.arange(len(rows.tokens)),
        {
            "zero": lambda usable: ablated(lm, SITE, "zero", where=usable),
            "mean": lambda usable: ablated(lm, SITE, "mean", mean=mean, where=usable),
            "spliced": lambda usable: spliced(lm, dictionary, where=usable, site=SITE),
        },
    )
    sums = FaithfulnessSums(
        tokens,
        *(losses[name].cross_entropy for name in ("clean", "spliced", "zero", "mean")),
        losses["spliced"].divergence,
    )
    return over_rows(sums, METRICS, IntervalOptions(draws=50))[0]


def some_dictionary(d_model: int) -> SparseAutoencoder:
    return SparseAutoencoder.initialise(
        d_model, AutoencoderOptions(n_features=40, sparsifier=TopK(5)), seed=0
    )


def test_every_metric_equals_a_plain_recomputation(tiny_llama: LanguageModel, rows: TokenRows) -> None:
    dictionary = some_dictionary(tiny_llama.d_model)
    mean = torch.randn(tiny_llama.d_model, generator=torch.Generator().manual_seed(1))
    found = measured(tiny_llama, rows, dictionary, mean)
    clean, clean_log = plain(tiny_llama, rows)
    replaced, replaced_log = plain(tiny_llama, rows, dictionary)
    zero, _ = plain(tiny_llama, rows, torch.zeros_like)
    by_mean, _ = plain(tiny_llama, rows, lambda x: mean.expand_as(x))
    expected = {
        "ce_clean": clean,
        "ce_spliced": replaced,
        "ce_zero": zero,
        "ce_mean": by_mean,
        "ce_recovered_zero": (zero - replaced) / (zero - clean),
        "ce_recovered_mean": (by_mean - replaced) / (by_mean - clean),
        "kl": nn.functional.kl_div(replaced_log, clean_log, log_target=True, reduction="batchmean"),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value), abs=2e-4), name
    assert found["kl"] > 1e-3


def test_a_perfect_dictionary_recovers_everything(tiny_llama: LanguageModel, rows: TokenRows) -> None:
    found = measured(tiny_llama, rows, identity(tiny_llama.d_model), torch.zeros(tiny_llama.d_model))
    assert found["ce_recovered_zero"] == pytest.approx(1.0, abs=1e-3)
    assert found["ce_recovered_mean"] == pytest.approx(1.0, abs=1e-3)
    assert found["ce_spliced"] == pytest.approx(found["ce_clean"], abs=1e-5)
    assert found["kl"] == pytest.approx(0.0, abs=1e-6)


def test_a_dictionary_that_only_knows_the_mean_recovers_nothing_of_it(
    tiny_llama: LanguageModel, rows: TokenRows
) -> None:
    mean = torch.randn(tiny_llama.d_model, generator=torch.Generator().manual_seed(2))
    found = measured(tiny_llama, rows, constant(mean), mean)
    assert found["ce_recovered_mean"] == 0.0
    assert found["ce_spliced"] == found["ce_mean"] != found["ce_clean"]


def test_sums_are_kept_by_row_and_count_only_usable_targets(
    tiny_llama: LanguageModel, rows: TokenRows
) -> None:
    tokens, losses = measure(tiny_llama, rows, np.array([0, 2, 5]), {})
    assert tokens.tolist() == [11.0, 10.0, 7.0]
    assert set(losses) == {"clean"}
    assert losses["clean"].divergence.tolist() == [0.0, 0.0, 0.0]
    alone = [measure(tiny_llama, rows, np.array([row]), {})[1]["clean"].cross_entropy[0] for row in (0, 2, 5)]
    assert losses["clean"].cross_entropy == pytest.approx(alone, rel=1e-5)


def test_the_size_of_the_batches_does_not_matter(
    tiny_llama: LanguageModel, rows: TokenRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictionary, mean = some_dictionary(tiny_llama.d_model), torch.zeros(tiny_llama.d_model)
    together = measured(tiny_llama, rows, dictionary, mean)
    monkeypatch.setattr(faithfulness, "LOGITS_AT_ONCE", 2 * 12 * tiny_llama.vocabulary_size)
    apart = measured(tiny_llama, rows, dictionary, mean)
    assert apart == pytest.approx(together, rel=1e-4, abs=1e-6)


def test_what_is_done_is_told(tiny_llama: LanguageModel, rows: TokenRows) -> None:
    done: list[int] = []
    zero = {"zero": lambda usable: ablated(tiny_llama, SITE, "zero", where=usable)}
    measure(tiny_llama, rows, np.arange(6), zero, advance=done.append)
    assert sum(done) == 2 * rows.tokens.size


def test_losses_of_known_distributions() -> None:
    clean = torch.tensor([[[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]]]).log()
    other = torch.tensor([[[0.25, 0.5, 0.25], [0.1, 0.1, 0.8]]]).log()
    targets = torch.tensor([[True, False]])
    cross_entropy, divergence = row_losses(clean, other, torch.tensor([[1, 2]]), targets)
    assert cross_entropy.tolist() == pytest.approx([np.log(2)])
    assert divergence.tolist() == pytest.approx([0.5 * np.log(2) - 0.25 * np.log(2)])


def test_rows_are_spread_evenly_over_the_text() -> None:
    rows = token_rows(100, 11, {})
    assert spread_rows(rows, 100).tolist() == np.linspace(0, 99, 10).round().tolist()
    assert spread_rows(rows, 10**9).tolist() == list(range(100))
    assert len(spread_rows(rows, 1)) == 1


def test_rows_without_a_token_to_predict_are_left_out() -> None:
    rows = token_rows(3, 8, {}, padding=8)
    assert spread_rows(rows, 10**9).tolist() == [0, 1]
    with pytest.raises(BrokenInput, match="no usable token"):
        spread_rows(token_rows(1, 8, {}, padding=7), 100)


def test_hooks_are_gone_afterwards(tiny_llama: LanguageModel, rows: TokenRows) -> None:
    run = partial(plain, tiny_llama, rows)
    before = run()[1]
    measured(tiny_llama, rows, some_dictionary(tiny_llama.d_model), torch.zeros(tiny_llama.d_model))
    assert torch.equal(run()[1], before)
