from features.planted_world import DEAD, TOPIC, WORD
from monoscope.features import FeatureIndex, LogitWeight, TokenShare, describe
from monoscope.features.description import in_short


def _tokens(*pairs: tuple[str, float]) -> list[TokenShare]:
    return [TokenShare(number, text, 5, share, 9.0) for number, (text, share) in enumerate(pairs)]


def test_tokens_are_named_with_their_share_and_spellings_are_joined() -> None:
    tokens = _tokens((" bridge", 0.3), (" towers", 0.1), (" Bridge", 0.08), (" Golden", 0.05), (" fog", 0.04))
    promoted = [LogitWeight(9, " fog", 2.0), LogitWeight(8, "fog", 1.5), LogitWeight(7, " cables", 1.0)]
    assert (
        describe(tokens, ["bay"], promoted)
        == "bridge, towers, Golden (53 % of activation); promotes fog, cables"
    )


def test_a_diffuse_feature_is_told_by_the_words_nearby() -> None:
    tokens = _tokens((" the", 0.05), (" of", 0.03), (" a", 0.02))
    said = "near bridge, bay, fog; the, of, a (10 % of activation)"
    assert describe(tokens, ["bridge", "bay", "fog", "sea"], []) == said
    assert describe(_tokens((" the", 0.004)), [], []) == "the (under 1 % of activation)"


def test_blank_tokens_are_shown_quoted_and_lowered_tokens_are_not_promoted() -> None:
    assert describe(_tokens(("\n", 0.9)), [], [LogitWeight(1, " a", -1.0)]) == r"'\n' (90 % of activation)"


def test_a_feature_without_tokens_never_fired() -> None:
    assert describe([], ["bridge"], []) == "never active on the indexed corpus"


def test_descriptions_of_planted_features(index: FeatureIndex) -> None:
    assert index.description(WORD).startswith("bridge (100 % of activation); promotes towers")
    topic = index.description(TOPIC)
    assert sum(word in topic for word in ("bridge", "towers", "fog")) >= 2
    assert index.description(DEAD).startswith("never")


def test_descriptions_are_shortened_to_what_a_feature_fires_on() -> None:
    assert in_short("bridge, Golden (41 % of activation); promotes fog") == "bridge, Golden"
    assert in_short("near bridge, fog; of, a (22 % of activation); promotes cables") == "near bridge, fog"
    assert in_short("never active on the indexed corpus") == "never active on the indexed corpus"
