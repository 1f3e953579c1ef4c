"""The planted world: what is tagged is really there, and as often as it was meant to be."""

import re
from collections import Counter
from random import Random

import pytest

from monoscope.documents import Document
from monoscope.synthetic.formats import FORMATS
from monoscope.synthetic.lexicon import topics
from monoscope.synthetic.world import (
    concepts,
    marking_words,
    naming_words,
    world_documents,
    write_document,
)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(world_documents(800, seed=5))


def passages(documents: list[Document], concept: str, kind: str = "passage") -> list[str]:
    return [
        document.text[span.start : span.end]
        for document in documents
        for span in document.spans
        if span.concept == concept and span.kind == kind
    ]


def test_at_least_48_concepts_of_the_families_that_the_papers_use():
    families = Counter(concept.family for concept in concepts().values())
    assert len(concepts()) >= 48
    assert {
        "landmarks",
        "animals",
        "foods",
        "weather",
        "professions",
        "emotions",
        "sentiment",
        "places",
    } <= set(families)
    wanted = "dna base64 hexadecimal arabic_script hebrew_script spanish python_code caps_snake arithmetic dates urls"
    assert set(wanted.split()) <= set(concepts())
    assert {"golden_gate_bridge", "san_francisco", "alcatraz", "fog"} <= set(concepts())


def test_the_same_seed_writes_the_same_text_and_another_seed_does_not():
    first, again, other = (list(world_documents(30, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert not {document.text for document in first} & {document.text for document in other}


def test_every_concept_occurs_in_a_corpus_of_some_size(documents):
    assert {span.concept for document in documents for span in document.spans} == set(concepts())


def test_spans_lie_inside_their_text_and_hold_no_outer_space(documents):
    for document in documents:
        for span in document.spans:
            assert 0 <= span.start < span.end <= len(document.text)
            stretch = document.text[span.start : span.end]
            assert stretch == stretch.strip()


def test_a_mention_is_a_marking_word_and_lies_in_a_passage(documents):
    words = marking_words()
    for document in documents:
        covered = {
            (span.concept, place)
            for span in document.spans
            if span.kind == "passage"
            for place in range(span.start, span.end)
        }
        for span in document.spans:
            if span.kind == "mention":
                assert (span.concept, span.start) in covered
                if words[span.concept]:
                    assert document.text[span.start : span.end].lower() in words[span.concept]


def test_a_topic_sets_the_vocabulary_of_its_passages(documents):
    words = marking_words()["golden_gate_bridge"]
    english = [text for text in passages(documents, "golden_gate_bridge") if len(text) > 200]
    assert english
    for text in english:
        found = [word for word in re.findall(r"\w+", text.lower()) if word in words]
        assert len(found) >= 0.05 * len(text.split())
        assert len(set(found)) >= 4


def test_children_are_tagged_as_their_parent_too(documents):
    for document in documents:
        of = {
            name: [(s.start, s.end) for s in document.spans if s.concept == name and s.kind == "passage"]
            for name in ("dolphin", "sea_animals")
        }
        for start, end in of["dolphin"]:
            assert any(low <= start and end <= high for low, high in of["sea_animals"])


def test_a_parent_is_named_by_its_own_words_and_marked_by_its_childrens_too(documents):
    own, marking = naming_words()["sea_animals"], marking_words()["sea_animals"]
    assert marking_words()["dolphin"] < marking
    assert "dolphin" not in own
    named = {
        document.text[span.start : span.end].lower()
        for document in documents
        for span in document.spans
        if span.concept == "sea_animals" and span.kind == "mention"
    }
    assert named
    assert named <= own


def test_children_speak_of_what_their_parent_speaks_of(documents):
    speaking = [text for text in passages(documents, "dolphin") if len(text) > 300]
    only_the_parents = naming_words()["sea_animals"] - naming_words()["dolphin"]
    assert any(only_the_parents & set(re.findall(r"\w+", text.lower())) for text in speaking)


def test_the_sentence_that_turns_to_a_topic_is_about_it():
    for seed in range(40):
        document = write_document("dolphin", Random(seed)).finish(marking_words(), naming_words())
        for match in re.finditer(r"about the (dolphin)\b", document.text):
            tagged = {
                (s.start, s.end) for s in document.spans if (s.concept, s.kind) == ("dolphin", "mention")
            }
            assert match.span(1) in tagged


def test_the_bridge_is_one_concept_in_two_languages(documents):
    texts = passages(list(world_documents(3000, seed=9)), "golden_gate_bridge")
    assert any(" puente" in text or "Puente" in text for text in texts)
    assert any(" bridge" in text for text in texts)
    assert not any(topic.same_as and topic.name in concepts() for topic in topics().values())


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("dna", r"[ACGT]{40,}"),
        ("base64", r"[A-Za-z0-9+/]+={0,2}"),
        ("hexadecimal", r"[0-9a-fx, ]+"),
        ("arabic_script", r"[\u0600-\u06ff\s.,،؟!]+"),
        ("hebrew_script", r"[\u0590-\u05ff\s.,?!\"'-]+"),
        ("dates", r"[\w ,/-]+"),
        ("urls", r"https?://\S+"),
        ("caps_snake", r"(?:[A-Z_]+=\d+\s?)+"),
    ],
)
def test_a_format_looks_like_itself(documents, name, pattern):
    blocks = passages(documents, name)
    assert blocks
    assert all(re.fullmatch(pattern, block) for block in blocks), next(
        b for b in blocks if not re.fullmatch(pattern, b)
    )


def test_sums_are_right_and_code_parses(documents):
    for block in passages(documents, "arithmetic"):
        for a, sign, b, answer in re.findall(r"(-?\d+) ([+*-]) (\d+) = (-?\d+)", block):
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] == int(answer)
    for block in passages(documents, "python_code"):
        compile(block, "block", "exec")


@pytest.mark.slow
def test_frequencies_span_two_orders_of_magnitude_and_the_bridge_has_its_share():
    documents = list(world_documents(3000, seed=3))
    total = sum(len(document.text) for document in documents)
    share = {name: sum(map(len, passages(documents, name))) / total for name in concepts()}
    assert 0.003 <= share["golden_gate_bridge"] <= 0.01
    assert min(share.values()) <= 0.0005
    assert max(share.values()) >= 0.03
    assert set(FORMATS) <= set(share)


def test_passages_persist(documents):
    lengths = sorted(len(text.split()) for text in passages(documents, "rain"))
    assert lengths[len(lengths) // 2] >= 30


def test_held_out_documents_say_so():
    assert all(document.heldout for document in world_documents(5, seed=1, heldout=True))
    assert not any(document.heldout for document in world_documents(5, seed=1))
