"""One thread that owns the model and writes the texts of all requests together."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar, final

from monoscope.errors import MonoscopeError, WrongUse
from monoscope.intervene import EachSteered, Rule
from monoscope.models.decoding import Request, Text
from monoscope.models.writing import Step, Writer, Writes

T = TypeVar("T")


class Full(MonoscopeError):
    """More is asked for than there is room for; later there may be."""


class Closed(MonoscopeError):
    """The engine writes no more."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How much is written at once."""

    slots: int = 64
    """Texts that are written at once."""
    queue: int = 256
    """Texts that may wait for a slot; more are refused."""

    def __post_init__(self) -> None:
        if self.slots < 1 or self.queue < 0:
            raise WrongUse(
                f"slots={self.slots}, queue={self.queue}", "slots is at least 1 and queue at least 0"
            )


Told = Step | MonoscopeError
"""An error is the last thing told."""


@final
class Handle:
    """A text that was asked for: iterate to get what is written, from a thread or from the event loop it is for."""

    def __init__(
        self,
        request: Request,
        stop: Sequence[str],
        wake: Callable[[], None],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.request, self.stop, self.wake, self.loop = request, tuple(stop), wake, loop
        self.cancelled = False
        self.ended = False
        self.told: SimpleQueue[Told] = SimpleQueue()
        self.told_async: asyncio.Queue[Told] = asyncio.Queue()

    def cancel(self) -> None:
        """Ask for no more: its slot is free before the next step. Nothing is told any more."""
        self.cancelled = True
        self.wake()

    def tell(self, told: Told) -> None:
        """Hand over; called by the engine."""
        self.ended = isinstance(told, MonoscopeError) or bool(told.finish)
        if self.loop is None:
            self.told.put(told)
        elif self.loop.is_closed():
            self.cancelled = True
        else:
            self.loop.call_soon_threadsafe(self.told_async.put_nowait, told)

    def __iter__(self) -> Iterator[Step]:
        """What is written, step by step; the last has a ``finish``.

        Raises:
            BrokenInput: the logits are infinite or no numbers.
            Closed: the engine was closed.
        """
        while True:
            told = self.told.get()
            if isinstance(told, MonoscopeError):
                raise told
            yield told
            if told.finish:
                return

    async def __aiter__(self) -> AsyncIterator[Step]:
        """As iterating from a thread."""
        while True:
            told = await self.told_async.get()
            if isinstance(told, MonoscopeError):
                raise told
            yield told
            if told.finish:
                return


@final
class Engine:
    """Writes texts for many callers with one model, each as if alone; texts join and leave between steps."""

    def __init__(
        self,
        lm: Writes,
        steered: EachSteered | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        """Start the thread; nobody else may run the model until :meth:`close`.

        Args:
            lm: the model, with its tokenizer.
            steered: steers each text by the rules in its request's ``tag``; None: nothing is steered.
            options: how much is written at once.
        """
        self.lm, self.steered, self.options = lm, steered, options or EngineOptions()
        self.n_tokens = 0
        """Tokens written so far, for all."""
        self.waiting: deque[Handle] = deque()
        self.jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self.writing: dict[Text, Handle] = {}
        self.closing = False
        self.changed = threading.Condition()
        self.writer = Writer(lm, around=steered)
        self.thread = threading.Thread(target=self._run, name="monoscope engine", daemon=True)
        self.thread.start()

    def submit(
        self, request: Request, stop: Sequence[str] = (), loop: asyncio.AbstractEventLoop | None = None
    ) -> Handle:
        """Ask for a text, from any thread.

        Args:
            request: the text; its ``tag`` holds its rules, a tuple, or is None.
            stop: strings before which it ends.
            loop: the event loop that what is written is for; None: whoever iterates waits in a thread.

        Raises:
            Full: as many texts wait as may.
            Closed: the engine was closed.
            UnknownName, WrongUse, BrokenInput: the rules cannot be carried out on this model.
        """
        return self.submit_all([request], stop, loop)[0]

    def submit_all(
        self,
        requests: Sequence[Request],
        stop: Sequence[str] = (),
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> list[Handle]:
        """Ask for several texts: all of them find room, or none is written.

        Raises:
            As :meth:`submit`.
        """
        for rules in {id(request.tag): request.tag for request in requests}.values():
            self.check(rules or ())
        handles = [Handle(request, stop, self._wake, loop) for request in requests]
        with self.changed:
            self._check_open()
            busy = sum(not handle.cancelled for handle in [*self.waiting, *self.writing.values()])
            room = self.options.slots + self.options.queue
            if busy + len(requests) > room:
                raise Full(
                    f"{busy} texts are being written or wait, and there is room for {room}",
                    "ask again in a moment",
                )
            self.waiting += handles
            self.changed.notify()
        return handles

    def do(self, job: Callable[[], T]) -> "Future[T]":
        """Have something else done with the model, between two steps; from any thread.

        Args:
            job: what is done, in the engine's thread; while it runs nothing is written.

        Returns:
            Its result or its error, once it is done.

        Raises:
            Full: as many jobs wait as texts may.
            Closed: the engine was closed.
        """
        future: Future[T] = Future()
        with self.changed:
            self._check_open()
            if len(self.jobs) > self.options.queue:
                raise Full(f"{len(self.jobs)} readings wait", "ask again in a moment")
            self.jobs.append((future, job))
            self.changed.notify()
        return future

    async def done(self, job: Callable[[], T]) -> T:
        """What :meth:`do` does, for an event loop.

        Raises:
            As :meth:`do`, and as the job.
        """
        return await asyncio.wrap_future(self.do(job))

    def breathe(self) -> None:
        """Write one step of all texts in the middle of a job; called by a long job itself, in the engine's thread."""
        with self.changed:
            if self.closing:
                raise Closed("the server is being shut down", "ask again when it is back")
            self._let_in()
        self._try_step()

    def check(self, rules: Sequence[Rule]) -> None:
        """Refuse rules that cannot be carried out.

        Raises:
            UnknownName, WrongUse, BrokenInput: as :meth:`monoscope.intervene.EachSteered.check`.
            WrongUse: there is nothing to steer with.
        """
        if rules and self.steered is None:
            raise WrongUse("this server has no dictionary to steer with", "leave out steering")
        if self.steered is not None:
            self.steered.check(rules)

    def close(self) -> None:
        """Write no more; whoever still waits for a text is told so."""
        with self.changed:
            self.closing = True
            self.changed.notify()
        self.thread.join()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self.closing:
            raise Closed("the server is being shut down", "ask again when it is back")

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify()

    # What the thread does

    def _run(self) -> None:
        while self._take_up():
            self._work()
            self._try_step()
        for handle in [*self.writing.values(), *self.waiting]:
            handle.tell(Closed("the server was shut down before the text was written", "ask again"))
        for future, _ in self.jobs:
            future.set_exception(Closed("the server was shut down before the text was read", "ask again"))

    def _take_up(self) -> bool:
        """Wait until there is something to do, and let texts join; false when nothing is to be done any more."""
        with self.changed:
            while True:
                if self.closing:
                    return False
                self._let_in()
                if self.writing or self.jobs:
                    return True
                self.writer.rest()
                self.changed.wait()

    def _let_in(self) -> None:
        """Those whose callers left lose slot and place in the queue; those who wait get the slots that are free."""
        self.waiting = deque(handle for handle in self.waiting if not handle.cancelled)
        for text, handle in list(self.writing.items()):
            if handle.cancelled:
                self.writer.leave(text)
                del self.writing[text]
        while self.waiting and len(self.writing) < self.options.slots:
            handle = self.waiting.popleft()
            self.writing[self.writer.join(handle.request, handle.stop)] = handle

    def _work(self) -> None:
        """One job: texts do not wait for all of them."""
        with self.changed:
            if not self.jobs:
                return
            future, job = self.jobs.popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(job())
        except Exception as error:
            future.set_exception(error)

    def _try_step(self) -> None:
        try:
            self._step()
        except Exception as error:
            # Whatever it was, the texts it happened to are lost, and the next ones may be well.
            self._fail(error)

    def _step(self) -> None:
        for text, told in self.writer.step():
            self.n_tokens += isinstance(told, Step) and told.drawn is not None
            handle = self.writing[text]
            if isinstance(told, MonoscopeError) or told.finish:
                with self.changed:
                    del self.writing[text]
            if not handle.cancelled:
                handle.tell(told)

    def _fail(self, error: Exception) -> None:
        known = error if isinstance(error, MonoscopeError) else None
        with self.changed:
            lost, self.writing = list(self.writing.values()), {}
        self.writer = Writer(self.lm, around=self.steered)
        for handle in lost:
            handle.tell(known or MonoscopeError(f"the model failed: {type(error).__name__}: {error}"))
