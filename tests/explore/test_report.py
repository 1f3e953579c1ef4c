import base64
import copy
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from explore import fake
from monoscope.errors import BrokenInput
from monoscope.explore import report_html


class Outline(HTMLParser):
    """Anchors of a page, its links within itself, and everything that could load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loading: list[tuple[str, str]] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "action", "srcset", "data", "poster") and not value.startswith(
                ("#", "data:")
            ):
                self.loading.append((tag, value))
            if name == "href" and value.startswith("#"):
                self.links.append(value[1:])
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")


@pytest.fixture(scope="module")
def report():
    return fake.report(24)


@pytest.fixture(scope="module")
def html(report):
    return report_html(report)


def test_the_page_loads_nothing_and_has_no_inline_style_or_handler(html):
    outline = Outline(html)
    assert outline.loading == []
    assert outline.inline == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|innerHTML|eval\(", html)


def test_every_anchor_is_there_once_and_every_link_leads_to_one(html):
    outline = Outline(html)
    assert len(outline.ids) == len(set(outline.ids))
    assert {link for link in outline.links if not link.startswith("feature-")} <= set(outline.ids)
    features = {int(link.removeprefix("feature-")) for link in outline.links if link.startswith("feature-")}
    assert 12 in features


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert html.index("Content-Security-Policy") < html.index("<script")


def test_a_report_is_a_pure_function_of_what_it_is_given(report, html):
    before = copy.deepcopy(report)
    assert report_html(json.loads(json.dumps(report))) == html
    assert report == before


PARTS = ("title", "run", "glimpse", "training", "evaluation", "features", "showcase", "formulas")


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_shown_by_itself_and_be_missing(report, part):
    alone = report_html({part: report[part]})
    without = report_html({name: value for name, value in report.items() if name != part})
    assert alone != without
    for page in (alone, without):
        outline = Outline(page)
        assert len(outline.ids) == len(set(outline.ids))
        assert {link for link in outline.links if not link.startswith("feature-")} <= set(outline.ids)


def test_an_empty_report_is_a_page_too():
    assert "<h1>What the model has learnt</h1>" in report_html({})


def test_only_an_incomplete_page_without_an_error_renews_itself(report):
    status = {"stage": "train", "done": ["harvest"], "seconds": 41.0, "complete": False}
    assert '<meta http-equiv="refresh" content="5">' in report_html({"status": status})
    for other in (None, status | {"complete": True}, status | {"error": "the disk is full"}):
        assert 'http-equiv="refresh"' not in report_html({"status": other} if other else {})
    stopped = report_html({"status": status | {"error": "the disk is full"}})
    assert "The run stopped: the disk is full" in stopped


def test_what_cannot_be_shown_is_an_error_that_says_what_is_missing(report):
    broken = copy.deepcopy(report)
    del broken["features"]["cards"][0]["density"]
    with pytest.raises(BrokenInput, match="density"):
        report_html(broken)


def test_numbers_that_are_not_known_are_dashes(report):
    changed = copy.deepcopy(report)
    changed["evaluation"]["metrics"] |= {"fvu": None, "kl": float("nan")}
    changed["evaluation"]["recovery"]["concepts"]["bakery"] |= {"feature": None, "precision": 0.0, "f1": 0.0}
    changed["showcase"]["doses"][0]["perplexity"] = None
    page = report_html(changed)
    assert "nan" not in re.sub(r"<(script|style|template)\b.*?</\1>", "", page, flags=re.DOTALL).lower()
    assert page.count("–") > report_html(report).count("–")


def test_a_placeholder_in_a_text_stays_a_text(report):
    assert "<h1>$style ${main}</h1>" in report_html({"title": "$style ${main}"})
