"""Sentences about a topic: templates whose every content slot is filled from the topic's lists."""

from dataclasses import dataclass
from random import Random

from monoscope.synthetic.draft import Draft
from monoscope.synthetic.lexicon import Topic

WOMEN = "Ana Lucy Mia Sara Emma Nora Rosa Clara Julia Ruth Ella Ivy Maria Grace Helen Sofia Amy Kate Lena Zoe".split()
MEN = "Tom Ben Max Sam Leo Jack Paul Omar Hugo Adam Luis Noah Peter Ivan Carl David Felix Oscar Tim Will".split()
RELATIONS = (
    "brother sister mother father friend uncle aunt teacher cousin neighbor grandmother grandfather".split()
)

ENGLISH = (
    "{Who} {action}.",
    "{Who} {action}.",
    "{Who} {action}, and {event}.",
    "{Scene} {who} {action}.",
    "{Scene}, {event}.",
    "{Event}.",
    "{Event}, so {who} {action}.",
    "{Event} while {who} {action}.",
    "Then {event}.",
    "Soon {event}, and {event}.",
    "After that {who} {action}.",
    "{Who} wanted to {wish}.",
    "{Friend} wanted to {wish}, but {event}.",
    "{Who} looked at {thing} {scene}.",
    "{Scene} there was {thing}.",
    "{Thing} was {adjective} and {adjective}.",
    "There were {things} {scene}.",
    "{Who} pointed at {things} and {thing}.",
    "First came {thing}, then {things}.",
    "{Name} was {adjective} that day.",
    "{Fact}",
    "{Fact}",
    "{Fact} {Fact}",
    "{Who} and {friend} {action}.",
    "{Who} {action} and {action}.",
    "They talked about {things} and {thing}.",
    '"{speech}" said {friend}.',
    '{Friend} said, "{speech}"',
)
"""Templates of an English passage. {Who} with a capital begins a sentence."""

SPANISH = (
    "{Who} {action}.",
    "{Who} {action} y {action}.",
    "{Scene}, {who} {action}.",
    "{Scene}, {event}.",
    "{Event}.",
    "Luego {event}.",
    "Después {who} {action}.",
    "{Who} quería {wish}.",
    "{Scene} estaba {thing}.",
    "{Who} vio {thing} y {things}.",
    "{Fact}",
    "{Fact}",
    "{Who} pensó mucho en {name}.",
    "Hablaron de {things} y de {thing}.",
    'Entonces {who} dijo: "{speech}"',
    "Todos conocían {name}.",
)
"""Templates of a Spanish passage."""

OPENINGS = (
    "One day {who} and {friend} went out together. ",
    "Once upon a time there was a {young} named {who}. ",
    "{Who} woke up early. ",
    "It was an ordinary day, and {who} was at home. ",
    "{Who} lived in a small town with {friend}. ",
    "There was once a {young} called {who}. ",
    "In the morning {who} met {friend}. ",
    "{Who} had a plan for the day. ",
    "Last week {who} visited {friend}. ",
    "{Who} was walking home from school with {friend}. ",
    "One afternoon {who} sat down and told a story. ",
    "{Friend} called {who} early in the morning. ",
    "When {who} was little, {friend} told {them} a story. ",
    "It began like any other day for {who}. ",
)
"""How a story begins, before it is about anything."""

TURNS = (
    "That day they talked about {title}. ",
    "Then everything was about {title}. ",
    "{Who} could think of nothing but {title}. ",
    "On the way {who} began to talk about {title}. ",
    "{Friend} told a story about {title}. ",
    "This is how {who} came to know {title}. ",
    "And then there was {title}. ",
)
"""How a story turns to its topic."""

CLOSINGS = (
    "Then {who} went home. ",
    "It was a good day. ",
    "{Who} told {friend} all about it. ",
    "And that was the end of the story. ",
    "{Who} never forgot that day. ",
    "They promised to do it again. ",
    "",
    "",
)
"""How a story ends."""


PLURALS = {slot: f"{slot}s" for slot in ("name", "adjective", "action", "scene", "event", "fact")} | {
    "wish": "wishes"
}
"""Slot -> the list that fills it, where the names differ."""


@dataclass(frozen=True)
class Cast:
    """Who a story is about."""

    who: str
    """Name of the main character."""
    woman: bool
    """Which pronouns the main character takes."""
    friend: str
    """The second character, as a noun phrase: ``her brother``, ``Max``."""

    @classmethod
    def draw(cls, random: Random) -> "Cast":
        """A cast by chance."""
        woman = random.random() < 0.5
        who = random.choice(WOMEN if woman else MEN)
        possessive = "her" if woman else "his"
        friend = (
            f"{possessive} {random.choice(RELATIONS)}"
            if random.random() < 0.6
            else random.choice([name for name in WOMEN + MEN if name != who])
        )
        return cls(who, woman, friend)


class Teller:
    """Writes sentences about topics into a draft, with one cast."""

    def __init__(self, random: Random, draft: Draft) -> None:
        self.random = random
        self.draft = draft
        self.cast = Cast.draw(random)

    def frame(self, templates: tuple[str, ...], topic: Topic | None = None) -> None:
        """One of the untagged sentences around a topic: opening, turn or closing."""
        title = topic.title if topic else ""
        template = self.random.choice(templates)
        young = self.random.choice(["girl", "woman"] if self.cast.woman else ["boy", "man"])
        pronoun = "her" if self.cast.woman else "him"
        who, friend = self.cast.who, self.cast.friend
        self.draft.write(
            template.format(
                who=who,
                Who=who,
                friend=friend,
                Friend=capital(friend),
                them=pronoun,
                title=title,
                young=young,
            )
        )

    def sentences(self, topic: Topic, count: int) -> None:
        """So many sentences about a topic; what is said aloud is tagged as a quotation too."""
        templates = SPANISH if topic.family == "spanish" else ENGLISH
        recent: list[str] = []
        for _ in range(count):
            template = self.random.choice([one for one in templates if one not in recent])
            recent = [*recent[-5:], template]
            self._write(template, topic)

    def _write(self, template: str, topic: Topic) -> None:
        pieces = template.split('"')
        for index, piece in enumerate(pieces):
            text = self._filled(piece, topic)
            if index % 2 == 0:
                self.draft.write(text)
                continue
            following = pieces[index + 1]
            if text.endswith(".") and following.startswith((" said", " {who}", " dijo")):
                text = text[:-1] + ","
            with self.draft.passage("quotations"):
                self.draft.write(f'"{text}"')
        self.draft.write(" ")

    def _filled(self, piece: str, topic: Topic) -> str:
        draw, random = Drawer(self.random, topic), self.random
        spanish = topic.family == "spanish"
        pronoun = ("ella" if self.cast.woman else "él") if spanish else ("she" if self.cast.woman else "he")
        who = pronoun if random.random() < 0.45 else self.cast.who
        slots = {
            "who": who, "friend": self.cast.friend, "them": "her" if self.cast.woman else "him",
        }  # fmt: skip
        text, cursor = "", 0
        while (start := piece.find("{", cursor)) >= 0:
            end = piece.index("}", start)
            slot = piece[start + 1 : end]
            value = slots.get(slot.lower()) or draw(slot.lower())
            text += piece[cursor:start] + (capital(value) if slot[0].isupper() else value)
            cursor = end + 1
        return text + piece[cursor:]


class Drawer:
    """Fills the slots of one sentence from a topic's lists, without repeating a phrase."""

    def __init__(self, random: Random, topic: Topic) -> None:
        self.random = random
        self.topic = topic
        self.used: set[str] = set()

    def __call__(self, slot: str) -> str:
        """A phrase for the slot: ``thing`` and ``things`` have lists of their name, ``action`` that of its plural."""
        phrases = getattr(self.topic, PLURALS.get(slot, slot))
        phrase = self.random.choice([one for one in phrases if one not in self.used] or phrases)
        self.used.add(phrase)
        return phrase


def capital(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]
