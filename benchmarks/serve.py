"""The server beside plain ``transformers``: tokens per second, time to first token, memory under load.

    python benchmarks/serve.py --run RUN --json > serve.json                # a run that has its dictionary
    python benchmarks/serve.py --run RUN --json --minutes 10 > soak.json    # and ten minutes of load

``monoscope serve`` runs in a process of its own and is asked by 1, 8 and 64 clients at once, each with a text of its
own, once unsteered and once each with a feature of its own. Plain ``model.generate`` writes the same texts as one
batch: its caller sees nothing before the last token is there, so beside that time stands when its first step was done.
Load is a mix of streams, whole answers, steerings and clients that hang up.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import fmean, median
from subprocess import PIPE, Popen
from time import perf_counter
from typing import Any

import numpy as np
import torch
from hardware import row, write

from monoscope.dictionaries.files import load
from monoscope.intervene import story_beginnings
from monoscope.models import LanguageModel, load_model
from monoscope.models.reading import pad_left

TOKEN = "benchmark"
TOGETHER = (1, 8, 64)


def main() -> None:
    """Ask, time, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a run that has its dictionary")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, as always")
    parser.add_argument("--tokens", type=int, default=64, help="of each continuation")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=0.0, help="of load")
    parser.add_argument("--dtype", default="float32")
    asked = parser.parse_args()
    beginnings = story_beginnings()
    prompts = [beginnings[number % len(beginnings)] for number in range(max(TOGETHER))]
    reach = load(asked.run / "dictionary").max_activation
    live = reach.argsort(descending=True)[: len(prompts)].tolist()
    with serving(asked.run, asked.dtype) as (port, process):
        found = [
            {"together": n, "who": who, **served(port, prompts[:n], asked, steerings)}
            for n in TOGETHER
            for who, steerings in (("server", None), ("server, steered", [f"0.5*{each}" for each in live]))
        ]
        memory = asyncio.run(soak(port, process, prompts, live, asked)) if asked.minutes else []
    lm = load_model("builtin", dtype=asked.dtype)
    found += [{"together": n, "who": "transformers", **plain(lm, prompts[:n], asked)} for n in TOGETHER]
    rows = [
        row(f"{each['together']} at once, {each['who']}: {what}", each[key])
        for each in sorted(found, key=lambda each: each["together"])
        for key, what in (
            ("tokens_per_second", "tokens/s"),
            ("first_p50", "first token p50, s"),
            ("first_p95", "first token p95, s"),
        )
    ]
    for n in TOGETHER:
        own, theirs = (
            next(each["tokens_per_second"] for each in found if (each["together"], each["who"]) == (n, who))
            for who in ("server", "transformers")
        )
        rows.append(row(f"{n} at once: tokens/s of the server over those of transformers", own / theirs))
    if memory:
        first, *later = (each["mib"] for each in memory)
        quarters = [fmean(part) for part in np.array_split(later, 4)]
        rows.append(row("memory before load, MiB", first))
        rows += [
            row(f"memory, mean over quarter {number} of the load, MiB", mean)
            for number, mean in enumerate(quarters, start=1)
        ]
        rows.append(
            row("growth from the second quarter to the last, share", quarters[3] / quarters[1] - 1, "<= 0.02")
        )
    write(rows, found=found, memory=memory, tokens=asked.tokens, dtype=asked.dtype)


@contextmanager
def serving(run: Path, dtype: str) -> Iterator[tuple[int, Popen[str]]]:
    """``monoscope serve`` in a process, and its port."""
    words = ["serve", str(run), "--port", "0", "--token", TOKEN, "--dtype", dtype]
    process = Popen([sys.executable, "-m", "monoscope", *words], stderr=PIPE, text=True)
    try:
        assert process.stderr is not None
        line = next((line for line in process.stderr if line.startswith("listening on ")), "")
        if not line:
            raise SystemExit("the server did not start")
        yield int(line.split("/v1;")[0].rsplit(":", 1)[1]), process
    finally:
        process.terminate()
        process.wait()


def served(
    port: int, prompts: Sequence[str], asked: argparse.Namespace, steerings: Sequence[str] | None
) -> dict[str, Any]:
    """All prompts at once, several times: medians of tokens/s, percentiles of the time to the first token."""

    async def all_at_once(seed: int) -> tuple[float, list[tuple[float, int]]]:
        begun = perf_counter()
        told = await asyncio.gather(
            *(
                stream(port, body(prompt, asked.tokens, seed, steerings[i] if steerings else None))
                for i, prompt in enumerate(prompts)
            )
        )
        return perf_counter() - begun, told

    asyncio.run(all_at_once(99))
    rates, firsts = [], []
    for repeat in range(asked.repeats):
        seconds, told = asyncio.run(all_at_once(repeat))
        rates.append(sum(count for _, count in told) / seconds)
        firsts += [first for first, _ in told]
    return summary(rates, firsts)


def summary(rates: Sequence[float], firsts: Sequence[float]) -> dict[str, Any]:
    return {
        "tokens_per_second": median(rates),
        "tokens_per_second_each": [round(rate, 1) for rate in rates],
        "first_p50": float(np.percentile(firsts, 50)),
        "first_p95": float(np.percentile(firsts, 95)),
    }


def body(prompt: str, n_tokens: int, seed: int, steering: str | None, **more: Any) -> dict[str, Any]:
    own = {} if steering is None else {"steering": steering}
    options = {"model": "builtin", "max_tokens": n_tokens, "temperature": 0.8, "stream": True}
    usage = {"stream_options": {"include_usage": True}}
    return {"prompt": prompt, "seed": seed, **options, **usage, **own, **more}


async def stream(port: int, told: dict[str, Any], leave_after: int | None = None) -> tuple[float, int]:
    """Ask for a text: seconds to its first piece, and tokens written; hangs up after so many pieces."""
    begun, first, count, pieces = perf_counter(), 0.0, 0, 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(told).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    try:
        status = (await reader.readline()).split()[1]
        assert status == b"200", (status, (await reader.read())[-500:])
        while line := await reader.readline():
            if line.startswith((b"data: {", b"{")):
                first = first or perf_counter() - begun
                pieces += 1
                if pieces == leave_after:
                    break
                usage = json.loads(line.removeprefix(b"data: ")).get("usage")
                count = usage["completion_tokens"] if usage else count
    finally:
        writer.close()
    return first, count


def plain(lm: LanguageModel, prompts: Sequence[str], asked: argparse.Namespace) -> dict[str, Any]:
    """The same texts as one batch of ``model.generate``."""
    rows = [lm.tokenize(prompt).tolist() for prompt in prompts]
    tokens = pad_left(rows, lm.device)
    longest = tokens.shape[1]
    mask = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in rows])
    end = lm.tokenizer.eos_token_id
    rates, firsts, steps = [], [], []
    for repeat in range(asked.repeats + 1):
        seen: list[float] = []

        def note(ids: torch.Tensor, scores: Any, seen: list[float] = seen, **_: Any) -> torch.Tensor:
            seen.append(perf_counter())
            return torch.zeros(len(ids), dtype=torch.bool)

        torch.manual_seed(repeat)
        begun = perf_counter()
        with torch.no_grad():
            written = lm.model.generate(
                tokens,
                attention_mask=mask,
                do_sample=True,
                temperature=0.8,
                max_new_tokens=asked.tokens,
                pad_token_id=end,
                stopping_criteria=[note],
            )[:, longest:].tolist()
        seconds = perf_counter() - begun
        if repeat:
            count = sum(each.index(end) if end in each else len(each) for each in written)
            rates.append(count / seconds)
            firsts += [seconds] * len(prompts)
            steps.append(seen[0] - begun)
    return summary(rates, firsts) | {"first_step": median(steps)}


async def soak(
    port: int,
    process: Popen[str],
    prompts: Sequence[str],
    live: Sequence[int],
    asked: argparse.Namespace,
) -> list[dict[str, float]]:
    """Memory of the server, every few seconds of load."""
    begun, memory = perf_counter(), [{"seconds": 0.0, "mib": resident(process.pid)}]
    end, counted = begun + 60 * asked.minutes, 0

    async def client(number: int) -> None:
        nonlocal counted
        random = Random(number)
        while perf_counter() < end:
            told = body(
                random.choice(prompts),
                random.randint(1, 2 * asked.tokens),
                random.getrandbits(32),
                random.choice([None, f"0.5*{random.choice(live)}", f"-1*{random.choice(live)}@generated"]),
                stop=random.choice([None, ".", [" the", "\n"]]),
                logprobs=random.choice([None, None, 3]),
            )
            if random.random() < 0.3:
                told |= {"stream": False, "stream_options": None}
            await stream(port, told, random.randint(1, 9) if random.random() < 0.2 else None)
            counted += 1

    async def watch() -> None:
        while perf_counter() < end:
            await asyncio.sleep(min(5.0, 6 * asked.minutes))
            memory.append({"seconds": perf_counter() - begun, "mib": resident(process.pid)})

    await asyncio.gather(watch(), *(client(number) for number in range(max(TOGETHER))))
    print(f"{counted} requests in {perf_counter() - begun:.0f} s", file=sys.stderr)
    return memory


def resident(pid: int) -> float:
    """Memory of a process, in MiB."""
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
