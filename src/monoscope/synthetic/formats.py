"""Formats: stretches of text that are told by how they look, not by what they are about."""

import base64
from collections.abc import Callable
from random import Random

from monoscope.synthetic.lexicon import scripts

Writer = Callable[[Random], str]

_SNAKE = """MAX MIN BUFFER SIZE COUNT LIMIT TIMEOUT RETRY CACHE LOG LEVEL USER FILE PATH INDEX PAGE TOTAL DEFAULT
    ERROR CODE QUEUE LENGTH START END""".split()
_HOSTS = """example.org news.example.com shop.example.net wiki.example.org blog.example.com mail.example.net
    docs.example.io""".split()
_PATHS = "home about help items list search page photos news today archive users login cart map guide index".split()
_MONTHS = "January February March April May June July August September October November December".split()
_FUNCTIONS = """add_items count_words find_largest read_lines total_price is_even reverse_list make_pairs next_value
    clean_text""".split()
_VARIABLES = "items total value result count index line words data number price left right name".split()


def dna(random: Random) -> str:
    """A strand of DNA in letters."""
    return "".join(random.choice("ACGT") for _ in range(random.randint(40, 120)))


def base_64(random: Random) -> str:
    """Random bytes in base64."""
    return base64.b64encode(random.randbytes(random.randint(24, 66))).decode()


def hexadecimal(random: Random) -> str:
    """Bytes in hexadecimal, run together, in pairs, or as addresses."""
    style = random.randrange(3)
    if style == 0:
        return random.randbytes(random.randint(12, 32)).hex()
    if style == 1:
        return random.randbytes(random.randint(8, 20)).hex(" ")
    return ", ".join(f"0x{random.randrange(1 << 32):08x}" for _ in range(random.randint(2, 6)))


def _script(random: Random, name: str) -> str:
    table = scripts()[name]
    sentences = [random.choice(table["sentences"]) for _ in range(random.randint(1, 3))]
    if random.random() < 0.5:
        sentences.append(" ".join(random.choice(table["words"]) for _ in range(random.randint(4, 9))) + ".")
    return " ".join(sentences)


def arabic(random: Random) -> str:
    """A few Arabic sentences."""
    return _script(random, "arabic")


def hebrew(random: Random) -> str:
    """A few Hebrew sentences."""
    return _script(random, "hebrew")


def caps_snake(random: Random) -> str:
    """Settings named in capitals with underscores."""
    lines = []
    for _ in range(random.randint(2, 5)):
        name = "_".join(random.sample(_SNAKE, random.randint(2, 4)))
        lines.append(f"{name}={random.choice([1, 2, 8, 16, 30, 64, 100, 256, 500, 1024])}")
    return random.choice(["\n", " "]).join(lines)


def arithmetic(random: Random) -> str:
    """Sums that are right."""
    sums = []
    for _ in range(random.randint(2, 6)):
        a, b = random.randint(1, 60), random.randint(1, 40)
        sign, answer = random.choice([("+", a + b), ("-", a - b), ("*", a * b)])
        sums.append(f"{a} {sign} {b} = {answer}")
    return random.choice(["\n", ", ", "; "]).join(sums)


def date(random: Random) -> str:
    """A date in one of four styles."""
    year, month, day = random.randint(1890, 2030), random.randint(1, 12), random.randint(1, 28)
    name = _MONTHS[month - 1]
    styles = (
        f"{name} {day}, {year}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day} {name} {year}",
        f"{month:02d}/{day:02d}/{year}",
    )
    return random.choice(styles)


def url(random: Random) -> str:
    """A web address."""
    path = "/".join(random.sample(_PATHS, random.randint(1, 3)))
    query = random.choice(["", "", f"?id={random.randint(1, 999)}", ".html"])
    return f"{random.choice(['https://', 'http://', 'https://www.'])}{random.choice(_HOSTS)}/{path}{query}"


def python_code(random: Random) -> str:
    """A small Python function that parses."""
    name, (a, b, c) = random.choice(_FUNCTIONS), random.sample(_VARIABLES, 3)
    number = random.randint(0, 20)
    bodies = (
        f"    {c} = {number}\n    for {b} in {a}:\n        {c} += {b}\n    return {c}\n",
        f"    {c} = []\n    for {b} in {a}:\n        if {b} > {number}:\n            {c}.append({b})\n    return {c}\n",
        f"    if not {a}:\n        return None\n    {b} = {a}[0]\n    return {b} * {number}\n",
        f"    with open({a}) as {b}:\n        {c} = {b}.read()\n    return {c}.split()\n",
        f"    {b} = len({a})\n    while {b} > {number}:\n        {b} -= 1\n        print({b})\n    return {b}\n",
        f"    {b} = {{}}\n    for {c} in {a}:\n        {b}[{c}] = {b}.get({c}, 0) + 1\n    return {b}\n",
        f"    try:\n        return int({a})\n    except ValueError:\n        return {number}\n",
    )
    head = random.choice(["", "import os\n\n", "import sys\n\n", "from math import sqrt\n\n", "# example\n"])
    return f"{head}def {name}({a}):\n{random.choice(bodies)}"


FORMATS: dict[str, tuple[Writer, float]] = {
    "dna": (dna, 0.005),
    "base64": (base_64, 0.006),
    "hexadecimal": (hexadecimal, 0.006),
    "arabic_script": (arabic, 0.007),
    "hebrew_script": (hebrew, 0.006),
    "caps_snake": (caps_snake, 0.004),
    "arithmetic": (arithmetic, 0.004),
    "dates": (date, 0.003),
    "urls": (url, 0.003),
    "python_code": (python_code, 0.005),
}
"""Format -> its writer and the share of the corpus's documents' weight that it takes."""

CARRIERS: dict[str, tuple[str, ...]] = {
    "dna": (
        "The lab read the strand: {} ",
        "This sequence came from the sample: {} ",
        "Gene found at the end of the line: {} ",
        "The next strand is {} and that is all. ",
    ),
    "base64": (
        "The message was encoded as {} ",
        "Attachment: {} ",
        "The token is {} and it expires soon. ",
        "data:text/plain;base64,{} ",
    ),
    "hexadecimal": (
        "The memory dump shows {} ",
        "Address list: {} ",
        "The checksum is {} and it matches. ",
        "Bytes read from the card: {} ",
    ),
    "arabic_script": ("The sign said: {} ", "Translate this text. {} ", "{} ", "{} "),
    "hebrew_script": ("The sign said: {} ", "Translate this text. {} ", "{} ", "{} "),
    "caps_snake": ("The settings are\n{}\n", "Set these values:\n{}\n", "{}\n", "Config: {}\n"),
    "arithmetic": ("The homework was {}. ", "Work it out: {}\n", "{}\n", "The answers are {}. "),
    "dates": (
        "It was written on {}. ",
        "The next meeting is on {}. ",
        "Born on {}. ",
        "Due: {}\n",
        "The shop opened on {} and closed again on the same day. ",
    ),
    "urls": ("Read more at {} ", "The page moved to {} last week. ", "See {} for the list. ", "Link: {}\n"),
    "python_code": ("{}\n", "Here is the function.\n\n{}\n", "```python\n{}```\n", "{}\n"),
}
"""Format -> sentences that carry a block of it."""
