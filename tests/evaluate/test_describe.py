import pytest

from monoscope.evaluate.describe import HEADINGS, describe
from monoscope.evaluate.report import DESCRIBED


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_every_metric_says_what_it_is_and_how_it_misleads(name: str) -> None:
    description = describe(DESCRIBED[name])
    assert len(description.measures) > 20
    assert len(description.misleads) > 20
    assert "\n" not in description.formula
    assert description.unit in ("fraction", "ratio", "features per token", "nats per token")
    assert description.references.endswith(".")


def test_a_section_of_several_lines_is_read_whole() -> None:
    def metric() -> None:
        """A metric.

        Measures:
            One thing
            and another.
        Formula:
            a / b
        Unit:
            fraction
        How it can mislead:
            Often.

        References:
            Nobody 2024.
        """

    description = describe(metric)
    assert description.measures == "One thing and another."
    assert description.formula == "a / b"


@pytest.mark.parametrize("missing", HEADINGS)
def test_a_missing_heading_is_an_error_that_names_it(missing: str) -> None:
    def metric() -> None: ...

    metric.__doc__ = "".join(f"{heading}:\n    text\n" for heading in HEADINGS if heading != missing)
    with pytest.raises(ValueError, match=f"metric says nothing under {missing}"):
        describe(metric)
