from explore import fake
from monoscope.explore.sections.glimpse import glimpse


def test_a_neuron_stands_alone_until_there_is_a_feature_to_stand_beside_it():
    alone = glimpse(fake.glimpse(), None)
    card = fake.features(24)["cards"][12]
    both = glimpse(fake.glimpse(), card)
    assert "Neuron 17" in alone
    assert "#feature-12" not in alone
    assert "#feature-12" in both
    assert both.count("<li>") == 12
    strongest = [example["tokens"] for example in card["examples"] if example["kind"] == "top"][:6]
    for tokens in strongest:
        assert tokens[0].strip() in both
