from pathlib import Path

import pytest

from monoscope.commands.dials import Dials, turned
from monoscope.commands.recipe import Recipe, check_same, flattened, read_recipe
from monoscope.dictionaries import AutoencoderOptions, JumpReLU
from monoscope.errors import BrokenInput, MissingInput, MonoscopeError, UnknownName, WrongUse
from monoscope.train import Objective, Tanh, TrainOptions


def read(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    recipe = Recipe(
        model="somewhere",
        dictionary=AutoencoderOptions(n_features=77, sparsifier=JumpReLU(width=0.5)),
        training=TrainOptions(
            learning_rate=1e-3,
            centring="mean",
            seed=9,
            objective=Objective(penalty=Tanh(3.0), target_l0=20.0),
        ),
    )
    assert read(tmp_path, recipe.to_toml()) == recipe


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    recipe = read(
        tmp_path, 'site = "blocks.1.mlp_out"\n[dictionary]\nsparsifier = { k = 8 }\n[training]\nwarmup = 0\n'
    )
    assert recipe.site == "blocks.1.mlp_out"
    assert recipe.dictionary.to_record() == {"n_features": 8192, "sparsifier": {"name": "topk", "k": 8}}
    assert recipe.training.warmup == 0.0
    assert recipe.index == Recipe().index


@pytest.mark.parametrize(
    ("text", "error", "said", "hint"),
    [
        ("[training]\nn_token = 3\n", WrongUse, "has no option 'n_token'", "n_tokens"),
        ("[trainning]\nn_tokens = 3\n", WrongUse, "has no option 'trainning'", "training"),
        (
            '[training]\nn_tokens = "many"\n',
            WrongUse,
            "n_tokens is 'many', and a whole number belongs there",
            "",
        ),
        ("[training]\nn_tokens = true\n", WrongUse, "n_tokens is True", ""),
        ("training = 3\n", WrongUse, "training is 3, and a table belongs there", ""),
        ('[harvest]\ndtype = "int8"\n', WrongUse, "dtype is 'int8'", "'bfloat16', 'float32'"),
        ('[dictionary]\nsparsifier = { name = "topp" }\n', UnknownName, "'topp' is no sparsifier", "topk"),
        ("[dictionary]\nsparsifier = { kk = 8 }\n", WrongUse, "topk has no option 'kk'", "nearest is k"),
        ("[dictionary]\nfeatures = 8\n", WrongUse, "has no option 'features'", "n_features"),
        ("[evaluation.recovery]\nf2 = 0.5\n", WrongUse, "has no option 'f2'", "f1"),
        ("[dictionary\n", BrokenInput, "is not TOML", ""),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, text: str, error: type[MonoscopeError], said: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        read(tmp_path, text)
    assert said in caught.value.sentence
    assert hint in caught.value.hint


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        read_recipe(tmp_path / "none.toml")


def test_a_difference_is_named_with_both_values() -> None:
    with pytest.raises(WrongUse, match=r"training\.learning_rate = its default, and now it is 0\.001"):
        check_same(Recipe(), Recipe(training=TrainOptions(learning_rate=1e-3)), "RUN")
    check_same(Recipe(), Recipe(), "RUN")


def test_dials_turn_what_they_say() -> None:
    recipe = turned(Recipe(), Dials(tokens=5000, seed=4, n_features=64, k=8, corpus="hf:some/thing"))
    flat = flattened(recipe.to_table())
    changed = {
        name: value for name, value in flat.items() if flattened(Recipe().to_table()).get(name) != value
    }
    assert changed == {
        "corpus": "hf:some/thing",
        "harvest.n_tokens": 5000,
        "training.n_tokens": 5000,
        "dictionary.n_features": 64,
        "dictionary.sparsifier.k": 8,
        "training.seed": 4,
        "index.seed": 4,
        "evaluation.seed": 4,
        "showcase.seed": 4,
    }


def test_more_tokens_than_are_harvested_come_round_again() -> None:
    recipe = turned(Recipe(), Dials(tokens=50_000_000))
    assert recipe.harvest.n_tokens == Recipe().harvest.n_tokens


def test_paths_are_remembered_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.txt").write_text("words", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert turned(Recipe(), Dials(corpus="text.txt")).corpus == str((tmp_path / "text.txt").resolve())
