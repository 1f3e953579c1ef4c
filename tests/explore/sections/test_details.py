from explore import fake
from monoscope.explore.sections.details import details


def test_everything_that_is_known_of_the_run_is_listed():
    html = details(fake.report(24)["run"])
    for name, value in (("dictionary k", "32"), ("versions torch", "2.13.0"), ("n tokens", "1,500,000")):
        assert f"{name}</th><td><code>{value}</code>" in html
    assert "<table" not in details({})
