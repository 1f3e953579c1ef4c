"""What a served run has to steer with: it grows as the run does."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monoscope.commands.names import names_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.run_folder import RunFolder, read_record, read_text
from monoscope.errors import BrokenInput, MonoscopeError, WrongUse
from monoscope.intervene import EachSteered, Rule
from monoscope.intervene.plan import Names, parse_plan
from monoscope.intervene.topic import text_words
from monoscope.manifest import is_complete

if TYPE_CHECKING:
    from monoscope.serve.engine import Engine


class Offered:
    """The run's dictionary, and what its features, vectors and presets are called.

    Args:
        opened: the run.
        steered: takes the dictionary as soon as there is one.
        engine: tells whether a steering can be carried out.
        own: name -> steering, beside what the run shows.

    Raises:
        MismatchedArtefact, BrokenInput: a part of the run is another model's, or cannot be read.
        WrongUse: a preset cannot be carried out.
    """

    def __init__(
        self, opened: OpenRun, steered: EachSteered, engine: "Engine", own: Mapping[str, Any] | None = None
    ) -> None:
        self.opened, self.steered, self.engine = opened, steered, engine
        self.own = dict(own or {})
        self._names, self._presets = Names(), dict[str, Any]()
        self.renew()

    def renew(self) -> None:
        """Look at the run again: it may have come further.

        Raises:
            MismatchedArtefact, BrokenInput, WrongUse: as when it is first looked at.
        """
        folder = self.opened.folder
        if self.steered.dictionary is None and is_complete(folder.dictionary):
            self.steered.take(self.opened.model_dictionary)
        names, presets = names_of(self.opened), shown_preset(folder) | self.own
        rules = {name: self._checked(name, told, names) for name, told in presets.items()}
        self._names, self._presets = replace(names, presets=rules), presets

    def presets(self) -> Mapping[str, Any]:
        """Name -> steering."""
        return self._presets

    def rules(self, told: str | dict[str, Any] | list[Any]) -> tuple[Rule, ...]:
        """What a steering means.

        Raises:
            WrongUse, UnknownName: it cannot be read, or names what is not there.
        """
        return parse_plan(told, self._names)

    def _checked(self, name: str, told: Any, names: Names) -> tuple[Rule, ...]:
        try:
            rules = parse_plan(told, names)
            self.engine.check(rules)
        except MonoscopeError as error:
            raise WrongUse(
                f"the preset {name} cannot be carried out: {error.sentence}", error.hint
            ) from error
        return rules


def shown_preset(folder: RunFolder) -> dict[str, Any]:
    """The showcase's feature at the strength that it recommends, or that it showed; nothing without a showcase.

    It is called by the first two words of its topic: ``Golden Gate Bridge`` is ``golden-gate``.
    """
    if not is_complete(folder.showcase):
        return {}
    shown = read_record(folder.showcase / "showcase.json")
    name = "-".join(text_words(shown["query"])[:2])
    if shown["feature"] is None or not name:
        return {}
    multiple = shown["recommended"] if shown["recommended"] is not None else shown["shown"]
    return {name: {"edits": [{"feature": shown["feature"], "clamp": multiple}]}}


def presets_of(path: Path) -> dict[str, Any]:
    """Name -> steering.

    Raises:
        MissingInput, BrokenInput: the file is not there, or is none.
    """
    try:
        presets = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise BrokenInput(
            f"{path} is no TOML: {error}", 'a preset is a line like calm = "2*412@generated"'
        ) from error
    for name, told in presets.items():
        if not isinstance(told, str | dict | list):
            raise BrokenInput(f"the preset {name} in {path} is {told!r}", "give a text or a table with edits")
    return presets
