"""What a notebook sees: ``import monoscope as ms``."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import monoscope as ms

SOURCE = Path(ms.__file__).read_text(encoding="utf-8")


def in_a_fresh_process(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_importing_is_light_and_silent() -> None:
    heavy = ("torch", "transformers", "numpy", "rich", "tyro", "safetensors", "jaxtyping")
    program = (
        f"import sys, monoscope; dir(monoscope); print([name for name in {heavy!r} if name in sys.modules])"
    )
    assert in_a_fresh_process(program) == "[]\n"


def test_help_and_version_load_nothing_heavy() -> None:
    program = (
        "import sys; from monoscope.cli import main; code = main(['--version']) + main([]); "
        "print(code, 'torch' in sys.modules)"
    )
    assert in_a_fresh_process(program).splitlines()[-1] == "0 False"


@pytest.mark.parametrize("name", ms.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(ms, name)
    module, there = ms._PUBLIC[name]
    found = getattr(import_module(f"monoscope.{module}"), there)
    assert thing is found or thing.__wrapped__ is found
    assert (found.__doc__ or "").strip()


def test_the_three_lists_of_names_agree() -> None:
    assert ms.__all__ == sorted(ms._PUBLIC)
    typed = next(
        node
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    imported = {
        alias.asname or alias.name: (str(node.module).removeprefix("monoscope."), alias.name)
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == ms._PUBLIC


def test_a_folder_that_is_a_function_is_both() -> None:
    import monoscope.evaluate.report
    import monoscope.train.trainer

    assert monoscope.train.trainer.train is ms.train.__wrapped__
    assert inspect.signature(ms.train) == inspect.signature(monoscope.train.trainer.train)
    assert ms.TrainOptions is monoscope.train.TrainOptions
    with pytest.raises(TypeError, match="dictionary"):
        ms.evaluate("only a model")


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        ms.trian  # noqa: B018
