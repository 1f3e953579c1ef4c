import pytest
import torch

from monoscope.features.neighbours import nearest_directions


@pytest.mark.parametrize("block", [3, 1024])
def test_neighbours_have_the_largest_cosines_among_the_alive(block: int) -> None:
    directions = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 21)[:, None]
    alive = torch.tensor([0, 2, 3, 5, 7, 11, 13, 17, 19])
    features, cosines = nearest_directions(directions, alive, 4, block=block)
    unit = directions / directions.norm(dim=1, keepdim=True)
    for row, number in enumerate(alive.tolist()):
        others = sorted(
            (n for n in alive.tolist() if n != number), key=lambda n: -float(unit[n] @ unit[number])
        )
        assert features[row].tolist() == others[:4]
        assert cosines[row] == pytest.approx([float(unit[n] @ unit[number]) for n in others[:4]], abs=1e-6)


def test_there_are_fewer_when_few_are_alive() -> None:
    features, cosines = nearest_directions(torch.eye(4), torch.tensor([1, 3]), 8)
    assert features.tolist() == [[3], [1]]
    assert cosines.tolist() == [[0], [0]]
    assert nearest_directions(torch.eye(4), torch.tensor([2]), 8)[0].shape == (1, 0)
