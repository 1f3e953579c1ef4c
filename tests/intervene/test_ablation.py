"""What single features did to predictions, compared with really switching them off."""

import pytest
import torch

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import UnknownName
from monoscope.intervene import ablation
from monoscope.intervene.ablation import ablations
from monoscope.intervene.edits import Ablate
from monoscope.intervene.steer import steer
from monoscope.models import LanguageModel

N_ROWS, LENGTH = 5, 12
TOKENS = torch.randint(2, 400, (N_ROWS, LENGTH), generator=torch.Generator().manual_seed(3))
POSITIONS = torch.tensor([3, 11, 0, 7, 7])


@pytest.fixture
def features(live: list[int]) -> torch.Tensor:
    return torch.tensor([live[0], live[1], live[0], live[2], live[3]])


def test_each_row_is_run_without_its_own_feature(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, features: torch.Tensor
) -> None:
    found = ablations(tiny_llama, dictionary, features, TOKENS, POSITIONS, kept=4)
    assert found.loss.shape == (N_ROWS, LENGTH)
    assert found.loss.abs().max() > 1e-3
    clean = tiny_llama.forward(TOKENS).log_softmax(-1)
    for row, feature in enumerate(features.tolist()):
        with steer(tiny_llama, dictionary, {feature: Ablate()}):
            without = tiny_llama.forward(TOKENS[row : row + 1]).log_softmax(-1)[0]
        own = TOKENS[row, 1:, None]
        rise = (clean[row, :-1].gather(-1, own) - without[:-1].gather(-1, own)).squeeze(-1)
        torch.testing.assert_close(found.loss[row, 1:], rise, atol=1e-4, rtol=1e-3)
        votes = (clean[row] - without)[POSITIONS[row]]
        torch.testing.assert_close(votes[found.promoted[row]], found.promoted_by[row], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(
            votes[found.suppressed[row]], found.suppressed_by[row], atol=1e-4, rtol=1e-3
        )
        torch.testing.assert_close(votes.max(), found.promoted_by[row, 0], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(votes.min(), found.suppressed_by[row, 0], atol=1e-4, rtol=1e-3)


def test_many_at_once_are_as_one_by_one(
    tiny_llama: LanguageModel,
    dictionary: SparseAutoencoder,
    features: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = ablations(tiny_llama, dictionary, features, TOKENS, POSITIONS)
    monkeypatch.setattr(ablation, "ENTRIES", 1)
    single = ablations(tiny_llama, dictionary, features, TOKENS, POSITIONS)
    torch.testing.assert_close(together.loss, single.loss, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(together.promoted_by, single.promoted_by, atol=1e-4, rtol=1e-3)


def test_what_is_silent_does_nothing(tiny_llama: LanguageModel, dictionary: SparseAutoencoder) -> None:
    codes = dictionary.encode(
        next(iter(tiny_llama.activations(TOKENS[:1], [tiny_llama.resolve(dictionary.site)]).values())).float()
    )
    silent = int((codes == 0).all((0, 1)).nonzero()[0])
    found = ablations(tiny_llama, dictionary, torch.tensor([silent]), TOKENS[:1], POSITIONS[:1])
    assert found.loss.abs().max() == 0
    assert found.promoted_by.abs().max() == 0


def test_no_rows_and_no_such_feature(tiny_llama: LanguageModel, dictionary: SparseAutoencoder) -> None:
    none = torch.empty(0, dtype=torch.long)
    assert ablations(tiny_llama, dictionary, none, TOKENS[:0], none).loss.shape == (0, LENGTH)
    with pytest.raises(UnknownName):
        ablations(tiny_llama, dictionary, torch.tensor([96]), TOKENS[:1], POSITIONS[:1])
