"""Several texts that are being written as one stream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from starlette.requests import Request

from monoscope.models.writing import Step
from monoscope.serve.engine import Handle

T = TypeVar("T")


class HungUp(Exception):
    """Whoever asked does not listen any more."""


async def merged(handles: Sequence[Handle]) -> AsyncIterator[tuple[int, Step]]:
    """The steps of all texts as they come, each with the number of its text.

    Raises:
        BrokenInput, Closed: as iterating over a handle.
    """
    if len(handles) == 1:
        async for step in handles[0]:
            yield 0, step
        return
    steps: asyncio.Queue[tuple[int, Step] | BaseException | None] = asyncio.Queue()

    async def follow(number: int) -> None:
        try:
            async for step in handles[number]:
                steps.put_nowait((number, step))
            steps.put_nowait(None)
        except Exception as error:
            steps.put_nowait(error)

    tasks = [asyncio.create_task(follow(number)) for number in range(len(handles))]
    try:
        left = len(tasks)
        while left:
            told = await steps.get()
            if isinstance(told, BaseException):
                raise told
            if told is None:
                left -= 1
            else:
                yield told
    finally:
        for task in tasks:
            task.cancel()


async def unless_hung_up(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """The result of the work, which is given up when the client hangs up.

    Raises:
        HungUp: it did.
    """

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working = asyncio.ensure_future(work())
    listening = asyncio.create_task(listen())
    try:
        await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HungUp
        return working.result()
    finally:
        for task in (working, listening):
            task.cancel()
