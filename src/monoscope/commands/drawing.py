"""The map of a run, drawn beside a server in a process of its own: the drawing holds Python's lock for seconds."""

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from threading import Lock

from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder
from monoscope.features.map import FeatureMap, MapOptions, draw_map, read_map, write_map
from monoscope.manifest import is_complete, read_manifest


def draw(run: Path) -> None:
    """Draw the map of a run and leave it there.

    Raises:
        MissingInput: the run has no dictionary or no index.
        WrongUse: too few features fire.
        MonoscopeError: umap-learn is not installed.
    """
    opened, options = OpenRun.at(run, Reporter()), MapOptions()
    made = draw_map(opened.dictionary.directions, opened.features().alive, options)
    write_map(made, opened.folder.map, dictionary_hash=opened.dictionary_hash, options=options)


class MapMaker:
    """The map as it lies there, or on its way."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.lock = Lock()
        self.drawing: tuple[str, Future[None]] | None = None
        self.known: tuple[str, FeatureMap] | None = None

    def __call__(self) -> FeatureMap | None:
        """The map of the run's dictionary; None while it is being drawn, which the first call begins.

        Raises:
            MissingInput, WrongUse, MonoscopeError: as :func:`draw`, told to whoever asks next.
        """
        with self.lock:
            return self._now()

    def _now(self) -> FeatureMap | None:
        wanted = read_manifest(self.folder.dictionary, "dictionary").hash
        if self.known is not None and self.known[0] == wanted:
            return self.known[1]
        if is_complete(self.folder.map):
            made_from = read_manifest(self.folder.map, "map").parents.get("dictionary")
            if made_from == wanted:
                self.known = wanted, read_map(self.folder.map, dictionary_hash=wanted)
                return self.known[1]
        if self.drawing is None or self.drawing[0] != wanted:
            self.drawing = wanted, self._begin()
        if self.drawing[1].done():
            failed, self.drawing = self.drawing[1], None
            failed.result()
        return None

    def _begin(self) -> Future[None]:
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        try:
            return pool.submit(draw, self.folder.path)
        finally:
            pool.shutdown(wait=False)
