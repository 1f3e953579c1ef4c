"""The planted world: documents whose every token is known to express, or not, each of the concepts.

A document is a short story, an account or a review about a hidden topic that sets its vocabulary throughout,
or ordinary text with blocks of a format in it. A topic lasts for 60 to 250 tokens, so that a language model
gains by carrying it; stories that begin about nothing in particular drift into topics.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from monoscope.documents import Document
from monoscope.synthetic.draft import Draft
from monoscope.synthetic.formats import CARRIERS, FORMATS
from monoscope.synthetic.grammar import CLOSINGS, OPENINGS, TURNS, Teller
from monoscope.synthetic.lexicon import Topic, topics

ORDINARY_SHARE = 0.1
"""Share of documents that are ordinary stories, about no tagged topic."""
PARENT_SHARE = 0.3
"""Share of the sentences in a child's passage that are its parent's: of dolphins, some about the sea."""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """Something that text can express, and that a feature can mean."""

    name: str
    """Its name in tags and reports."""
    family: str
    """The group it belongs to: ``landmarks``, ``formats`` ..."""
    share: float
    """Target share of the corpus, children not counted."""
    parent: str = ""
    """The concept that contains it, or nothing."""
    words: frozenset[str] = frozenset()
    """The words that mark it; empty for formats."""


def concepts() -> dict[str, Concept]:
    """Every planted concept, by name."""
    found: dict[str, Concept] = {}
    for topic in topics().values():
        if topic.words and not topic.same_as:
            found[topic.name] = Concept(
                name=topic.name,
                family=topic.family,
                share=topic.share,
                parent=topic.parent,
                words=topic.words,
            )
    for topic in topics().values():
        if topic.same_as:
            first = found[topic.same_as]
            found[topic.same_as] = Concept(
                name=first.name,
                family=first.family,
                share=first.share + topic.share,
                words=first.words | topic.words,
            )
    for name, (_, share) in FORMATS.items():
        found[name] = Concept(name=name, family="formats", share=share)
    found["quotations"] = Concept(name="quotations", family="formats", share=0.03)
    if "spanish_story" in found:
        story = found.pop("spanish_story")
        found["spanish"] = Concept(name="spanish", family="formats", share=story.share)
    return dict(sorted(found.items()))


def naming_words() -> dict[str, frozenset[str]]:
    """Concept -> the words that name it, whose tokens are its mentions."""
    return {name: concept.words for name, concept in concepts().items()}


def marking_words() -> dict[str, frozenset[str]]:
    """Concept -> the words that give its passages away: those that name it, and for a parent its children's."""
    found = naming_words()
    for concept in concepts().values():
        if concept.parent:
            found[concept.parent] = found[concept.parent] | concept.words
    return found


def world_documents(n_documents: int, *, seed: int, heldout: bool = False) -> Iterator[Document]:
    """So many documents of the world, the same for the same seed.

    Args:
        n_documents: how many documents; each is about 150 to 300 tokens long.
        seed: seed of everything that is drawn.
        heldout: flag the documents as held out from training.

    Topics and formats are dealt from a deck that holds each as often as its share says, so that frequencies
    are exact rather than lucky, and even the rarest comes once.
    """
    random = Random(f"world {seed}")
    marking, naming = marking_words(), naming_words()
    for subject in deck(n_documents, random):
        yield write_document(subject, random).finish(marking, naming, heldout=heldout)


def deck(n_documents: int, random: Random) -> list[str]:
    """The subject of each document, shuffled: a topic, a format, or ``""`` for an ordinary story."""
    shares = {topic.name: topic.share for topic in topics().values() if topic.words}
    shares |= {name: share for name, (_, share) in FORMATS.items()}
    total = sum(shares.values())
    cards = [""] * round(n_documents * ORDINARY_SHARE)
    for name, share in sorted(shares.items(), key=lambda item: item[1]):
        exact = (n_documents - round(n_documents * ORDINARY_SHARE)) * share / total
        count = int(exact) + (random.random() < exact - int(exact))
        cards += [name] * max(count, 1)
    random.shuffle(cards)
    return cards[:n_documents] + [""] * (n_documents - len(cards))


def write_document(subject: str, random: Random) -> Draft:
    """One document about a subject: a topic's name, a format's name, or ``""``."""
    draft = Draft()
    teller = Teller(random, draft)
    if subject in FORMATS:
        write_format(teller, subject)
    elif not subject:
        write_ordinary(teller)
    elif random.random() < 0.35:
        write_account(teller, topics()[subject])
    else:
        write_story(teller, topics()[subject])
    return draft


def ordinary_themes() -> list[Topic]:
    """What ordinary stories are about."""
    return [topic for topic in topics().values() if not topic.words]


def write_ordinary(teller: Teller) -> None:
    """A story about an ordinary day."""
    random = teller.random
    teller.frame(OPENINGS)
    for theme in random.sample(ordinary_themes(), 2):
        teller.sentences(theme, random.randint(4, 9))
        maybe_aside(teller, 0.25)
    teller.frame(CLOSINGS)


def write_story(teller: Teller, topic: Topic) -> None:
    """A story that begins like any other, turns to a topic, and stays with it."""
    random = teller.random
    if topic.family != "spanish":
        teller.frame(OPENINGS)
        if random.random() < 0.6:
            teller.sentences(random.choice(ordinary_themes()), random.randint(1, 4))
        if random.random() < 0.5:
            with teller.draft.passage(*topic.concepts):
                teller.frame(TURNS, topic)
    write_passage(teller, topic, random.randint(8, 16))
    if topic.family != "spanish":
        teller.frame(CLOSINGS)


def write_account(teller: Teller, topic: Topic) -> None:
    """A text that is about its topic from the first sentence to the last."""
    write_passage(teller, topic, teller.random.randint(9, 18))


def write_passage(teller: Teller, topic: Topic, count: int) -> None:
    """So many sentences on a topic, now and then with a feeling or a date in between."""
    random = teller.random
    marks = (*topic.concepts, "spanish") if topic.family == "spanish" else topic.concepts
    marks = tuple(mark for mark in marks if mark != "spanish_story")
    parent = topics().get(topic.parent)
    while count > 0:
        run = min(count, random.randint(4, 8))
        with teller.draft.passage(*marks):
            while run > 0:
                about = parent if parent and random.random() < PARENT_SHARE else topic
                some = min(run, random.randint(1, 3))
                teller.sentences(about, some)
                run, count = run - some, count - some
        if count > 0 and topic.family not in ("spanish", "emotions", "sentiment"):
            maybe_aside(teller, 0.22)


def maybe_aside(teller: Teller, chance: float) -> None:
    """With this chance, one or two sentences of a feeling, or a line that carries a format."""
    random = teller.random
    if random.random() >= chance:
        return
    if random.random() < 0.6:
        feelings = [topic for topic in topics().values() if topic.family == "emotions"]
        feeling = random.choice(feelings)
        with teller.draft.passage(*feeling.concepts):
            teller.sentences(feeling, random.randint(1, 3))
    else:
        write_block(teller, random.choice(["dates", "urls", "arithmetic"]))


def write_block(teller: Teller, name: str) -> None:
    """A sentence that carries a block of a format."""
    before, after = teller.random.choice(CARRIERS[name]).split("{}")
    teller.draft.write(before)
    with teller.draft.passage(name):
        teller.draft.write(FORMATS[name][0](teller.random))
    teller.draft.write(after)


def write_format(teller: Teller, name: str) -> None:
    """A document with several blocks of a format, ordinary sentences between them."""
    random = teller.random
    for _ in range(random.randint(2, 5)):
        if random.random() < 0.4:
            teller.sentences(random.choice(ordinary_themes()), 1)
        write_block(teller, name)
