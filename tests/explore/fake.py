"""A made-up report of the shape that a run writes: topics, texts about them, and features that mark them."""

import math
from typing import Any

import numpy as np

from monoscope.explore.labels import with_labels

TOPICS: dict[str, tuple[str, ...]] = {
    "golden_gate_bridge": ("bridge", "towers", "cables", "fog", "strait", "span", "orange"),
    "lighthouse": ("lamp", "keeper", "rocks", "beam", "coast", "stairs", "ships"),
    "bakery": ("bread", "oven", "flour", "dough", "crust", "baker", "loaf"),
    "thunderstorm": ("thunder", "lightning", "rain", "clouds", "wind", "storm", "puddles"),
    "sadness": ("tears", "lonely", "sighed", "wept", "grief", "sorrow", "quiet"),
    "chess": ("knight", "queen", "pawn", "board", "move", "check", "rook"),
    "beekeeping": ("hive", "honey", "bees", "wax", "swarm", "smoke", "veil"),
    "railway": ("train", "platform", "whistle", "tracks", "station", "ticket", "engine"),
    "garden": ("roses", "soil", "spade", "seeds", "weeds", "hedge", "bulbs"),
    "spanish": ("el", "casa", "niña", "perro", "agua", "noche", "amigo"),
    "numbers": ("one", "two", "three", "seven", "twelve", "forty", "hundred"),
    "penguin": ("penguin", "ice", "flippers", "colony", "krill", "waddled", "egg"),
}
"""Topic -> its words."""
OTHERS = "the a and of to in was it she he they with on at as by from there then said very little old".split()

HOSTILE = (
    "</script><img src=x onerror=\"document.title='broken'\">",
    "<!--<script>",
    "]]>",
    "&lt;b&gt;",
    "\u202ereversed",
    "$title ${main}",
    "\u2028",
    "'\"`",
)
"""Tokens of a corpus that was written to break the page."""


def sentence(topic: str | None, length: int, generator: np.random.Generator) -> list[str]:
    """Tokens with their leading spaces; every third is of the topic."""
    words = TOPICS.get(topic or "", ())
    tokens = []
    for place in range(length):
        source = words if words and place % 3 == 1 else OTHERS
        tokens.append(" " + str(generator.choice(list(source))))
    if generator.random() < 0.3:
        tokens[length // 2] = "\n"
    return tokens


def example(kind: str, peak: float, topic: str, generator: np.random.Generator) -> dict[str, Any]:
    """Sixteen tokens before the peak, eight after it, active on the topic's words."""
    tokens = sentence(topic, 25, generator)
    tokens[16] = " " + str(generator.choice(list(TOPICS[topic])))
    active = [
        peak * generator.uniform(0.1, 0.8) if token.strip() in TOPICS[topic] else 0.0 for token in tokens
    ]
    active[16] = peak
    start = int(generator.integers(0, 10**6))
    return {
        "kind": kind,
        "position": start + 16,
        "document": int(generator.integers(0, 5000)),
        "start": start,
        "tokens": tokens,
        "activations": active,
        "peak": peak,
    }


def silent(feature: int, address: str) -> dict[str, Any]:
    """A feature that never fired."""
    return {
        "feature": feature,
        "address": address,
        "description": "never active on the indexed corpus",
        "density": 0.0,
        "n_active": 0,
        "max_activation": 0.0,
        "mean_activation": 0.0,
        "histogram": {"edges": [], "counts": []},
        **{name: [] for name in ("examples", "tokens", "promoted", "suppressed", "neighbours", "coactive")},
    }


def card(feature: int, n_features: int, generator: np.random.Generator, *, top: int = 12) -> dict[str, Any]:
    """One made-up feature, as ``FeatureRecord.to_json()`` gives it; one in forty is silent."""
    address = f"builtin/blocks.2.resid_post/4f2a91c07b13#{feature}"
    if feature % 40 == 39:
        return silent(feature, address)
    topic = list(TOPICS)[feature % len(TOPICS)]
    words = [str(word) for word in generator.permutation(list(TOPICS[topic]))]
    density = float(10 ** generator.normal(-2.6, 0.6))
    largest = float(generator.gamma(6, 2))
    n_active = max(1, int(density * 1_500_000))
    edges = np.linspace(math.log10(largest) - 2, math.log10(largest), 21)
    counts = n_active * np.exp(-np.square(np.arange(20) - 11.5) / 18)
    shares = np.sort(generator.dirichlet(np.ones(len(words) + 1)))[::-1]
    weights = np.sort(generator.gamma(2, 0.4, 12))[::-1]
    peaks = [("top", largest * (1 - 0.03 * each)) for each in range(top)]
    peaks += [(f"interval {part}", largest * (part - 0.5) / 4) for part in (4, 3, 2, 1) for _ in range(3)]
    return {
        "feature": feature,
        "address": address,
        "description": f"{', '.join(words[:3])} ({100 * shares[:3].sum():.0f} % of activation); near "
        f"{words[3]}, {words[4]}; promotes {words[0]}, {words[5]}",
        "density": density,
        "n_active": n_active,
        "max_activation": largest,
        "mean_activation": largest * 0.31,
        "histogram": {"edges": edges.tolist(), "counts": [int(count) for count in counts]},
        "examples": [example(kind, peak, topic, generator) for kind, peak in peaks],
        "tokens": [
            {
                "token": place,
                "text": " " + word,
                "count": 99,
                "share": float(shares[place]),
                "lift": 90 / (1 + place),
            }
            for place, word in enumerate(words)
        ],
        "promoted": [
            {"token": place, "text": " " + word, "weight": float(weight)}
            for place, (word, weight) in enumerate(zip([*words, *OTHERS[:5]], weights, strict=True))
        ],
        "suppressed": [
            {"token": place, "text": " " + word, "weight": -float(weight) / 2}
            for place, (word, weight) in enumerate(zip(OTHERS[-12:], weights, strict=True))
        ],
        "neighbours": [
            {"feature": (feature + 12 * each) % n_features, "cosine": 0.9 / (1 + 0.4 * each)}
            for each in range(1, 7)
        ],
        "coactive": [{"feature": (feature + 5) % n_features, "correlation": 0.6, "share": 0.7}],
    }


def effect(shown: dict[str, Any], card: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    """What leaving the feature out did to one example: nothing before it fires, then losses up and down."""
    fires = np.maximum.accumulate([0.0, *(value > 0 for value in shown["activations"][:-1])])
    losses = np.round(fires * generator.normal(0.2, 0.4, len(fires)), 4).tolist()
    votes = {
        name: [[each["text"], round(sign * float(generator.gamma(2, 0.4)), 3)] for each in card[name][:10]]
        for name, sign in (("promoted", 1), ("suppressed", -1))
    }
    after = shown["position"] - shown["start"] + 1
    following = losses[after] if after < len(losses) else None
    return {"position": shown["position"], "loss": [None, *losses[1:]], "next": following, **votes}


def label(card: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    """A line of the labels; a feature that never fired has nothing said about it."""
    if not card["examples"]:
        return {"feature": card["feature"], "descriptions": [], "patterns": [], "effects": []}
    words = [each["text"].strip() for each in card["tokens"]]
    named = {"method": "planted", "text": f"{words[0]}_and_more", "kind": "mention"}
    return {
        "feature": card["feature"],
        "descriptions": [
            {"method": "tokens", "text": ", ".join(words[:3]), "scores": {"share": 0.41}},
            {"method": "near", "text": ", ".join(words[2:5]), "scores": {"overlap": 0.37}},
            {
                "method": "patterns",
                "text": f"the [{words[0]}]; old [{words[1]}]",
                "scores": {"precision": 0.97, "recall": 0.19, "share": 0.3, "correlation": 0.44},
            },
            {"method": "promotes", "text": ", ".join(words[:2]), "scores": {"deviations": 6.1}},
            named | {"scores": {"f1": 0.93, "precision": 0.95, "recall": None}},
        ],
        "patterns": [
            {
                "text": f"{generator.choice(OTHERS)} [{word}]",
                "activation": 0.8,
                "examples": 3,
                "matches": int(generator.integers(10, 200)),
                "active": 9,
                "share": 0.1,
            }
            for word in words
        ],
        "effects": [effect(each, card, generator) for each in card["examples"][:6]],
    }


def hostile_label(card: dict[str, Any], text: str) -> dict[str, Any]:
    """A line of the labels that holds a text wherever it holds texts."""
    made = label(card, np.random.default_rng(0))
    for each in [*made["descriptions"], *made["patterns"]]:
        each["text"] = f"[{text}] {text}"
    made["descriptions"].append({"method": text, "text": text, "scores": {text: 0.5}})
    for each in made["effects"]:
        each["promoted"] = each["suppressed"] = [[text, 0.5]] * 4
    return made


def labels_of(cards: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Labels of one card in three."""
    generator = np.random.default_rng(7)
    return {card["feature"]: label(card, generator) for card in cards if card["feature"] % 3 == 1}


def features(n_features: int, seed: int = 0, *, top: int = 12) -> dict[str, Any]:
    """The report's part about features."""
    generator = np.random.default_rng(seed)
    cards = [card(feature, n_features, generator, top=top) for feature in range(n_features)]
    return {
        "statistics": {
            "density": [each["density"] for each in cards],
            "max_activation": [each["max_activation"] for each in cards],
            "alive": sum(each["density"] > 0 for each in cards),
        },
        "cards": cards,
    }


def glimpse() -> dict[str, Any]:
    """One neuron, strong on texts of several topics."""
    generator = np.random.default_rng(1)
    rows = []
    for topic in ("bakery", "chess", "railway", "sadness", "numbers", "garden"):
        shown = example("top", 3.0 + generator.random(), topic, generator)
        rows.append({"tokens": shown["tokens"], "values": [value - 0.05 for value in shown["activations"]]})
    return {
        "title": "Neuron 17",
        "text": "Coordinate 17 of the model's state after block 2, on the six texts where it is largest.",
        "rows": rows,
    }


def curve() -> list[dict[str, float]]:
    """A training curve of 160 points."""
    return [
        {
            "tokens": step * 50_000,
            "fvu": 0.14 + 0.8 * math.exp(-step / 14) + 0.004 * math.sin(step),
            "l0": 32 - 3 * math.exp(-step / 5),
            "dead_share": 0.02 + 0.4 * math.exp(-((step - 30) ** 2) / 400) * (step > 4),
        }
        for step in range(160)
    ]


def metrics(fvu: float, kept: float, dead: float) -> dict[str, Any]:
    """One column of the report card."""
    clean = 2.31
    return {
        "fvu": fvu,
        "fve": 1 - fvu,
        "l0": 31.8,
        "dead_share": dead,
        "shrinkage": 0.991,
        "ce_clean": clean,
        "ce_spliced": clean + (1 - kept) * 3.2,
        "ce_recovered_zero": 1 - (1 - kept) / 3,
        "ce_recovered_mean": kept,
        "kl": (1 - kept) * 2.9,
        "intervals": {"fvu": [fvu * 0.97, fvu * 1.03], "ce_recovered_mean": [kept - 0.006, kept + 0.005]},
    }


def concepts(n_concepts: int = 64) -> dict[str, Any]:
    """Concepts and how well the best feature, neuron and component mark each."""
    generator = np.random.default_rng(2)
    names = [
        *TOPICS,
        *(f"{topic}_{part}" for part in ("at_night", "tools", "names", "places") for topic in TOPICS),
    ]
    found = {}
    for place, name in enumerate(names[:n_concepts]):
        frequency = float(10 ** generator.uniform(-3.4, -1.6))
        f1 = float(np.clip(generator.normal(0.86 + 0.06 * (math.log10(frequency) + 2.5), 0.09), 0.2, 0.99))
        found[name] = {
            "feature": place,
            "precision": min(1.0, f1 + 0.03),
            "recall": f1 - 0.03,
            "f1": f1,
            "neuron_f1": float(np.clip(generator.normal(0.38, 0.14), 0.02, 0.9)),
            "pca_f1": float(np.clip(generator.normal(0.3, 0.1), 0.02, 0.9)),
            "random_f1": float(np.clip(generator.normal(0.12, 0.05), 0.01, 0.9)),
            "frequency": frequency,
            "kind": "passage" if place % 2 else "mention",
            "recovered": f1 >= 0.7,
        }
    share = float(np.mean([concept["f1"] >= 0.7 for concept in found.values()]))
    return {
        "share_recovered": share,
        "share_neurons": 0.05,
        "share_pca": 0.02,
        "share_random": 0.0,
        "f1_needed": 0.7,
        "intervals": {"share_recovered": [share - 0.08, share + 0.05], "share_neurons": [0.0, 0.1]},
        "protocol": "Chosen on calibration text, measured on held-out text.",
        "concepts": found,
    }


def evaluation() -> dict[str, Any]:
    """The report card."""
    return {
        "metrics": metrics(0.142, 0.962, 0.021),
        "baselines": {
            "neurons": metrics(0.551, 0.71, 0.0),
            "pca": metrics(0.318, 0.83, 0.0),
            "random": metrics(0.702, 0.42, 0.004),
        },
        "formulas": {
            "fvu": "sum |x - x_hat|^2 / sum |x - mean(x)|^2",
            "l0": "mean over tokens of the number of features with f_i > 0",
            "ce_recovered_mean": "(ce_mean - ce_spliced) / (ce_mean - ce_clean)",
        },
        "recovery": concepts(),
    }


def showcase() -> dict[str, Any]:
    """A feature turned up."""
    generator = np.random.default_rng(3)

    def dose(multiple: float | None, mention: float, distinct: float, perplexity: float) -> dict[str, Any]:
        return {
            "multiple": multiple,
            "topic_rate": mention * 0.21,
            "mention_share": mention,
            "interval": [max(0.0, mention - 0.11), min(1.0, mention + 0.09)],
            "distinct_2": distinct,
            "perplexity": perplexity,
        }

    prompts = (
        "Once upon a time there was a",
        "My favourite food is",
        "The teacher opened the door and",
        "Last summer we went to",
    )
    return {
        "query": "golden gate bridge",
        "feature": 12,
        "address": "builtin/blocks.2.resid_post/4f2a91c07b13#12",
        "description": "bridge, towers, cables (38 % of activation); near fog, strait; promotes bridge, span",
        "words": list(TOPICS["golden_gate_bridge"]),
        "recommended": 5.0,
        "pairs": [
            {
                "prompt": prompt,
                "default": "".join(sentence("garden", 45, generator)) + ".",
                "steered": "".join(sentence("golden_gate_bridge", 45, generator)) + ". The Bridge!",
            }
            for prompt in prompts
        ],
        "candidates": [
            {
                "feature": feature,
                "description": "bridge, towers, cables (38 % of activation)",
                "score": 0.93 - 0.08 * place,
                "overlap": 0.97 - 0.1 * place,
                "effect": 0.89 - 0.05 * place,
            }
            for place, feature in enumerate((12, 0, 24, 36))
        ],
        "baseline": dose(None, 0.02, 0.93, 8.2),
        "doses": [
            dose(0, 0.0, 0.93, 8.1),
            dose(1, 0.18, 0.92, 8.9),
            dose(2, 0.56, 0.9, 10.3),
            dose(5, 0.95, 0.81, 17.5),
            dose(10, 1.0, 0.42, 61.0),
        ],
        "controls": {
            "multiple": 5,
            "topic_rates": {str(feature): 0.002 * (feature % 7) for feature in range(100, 120)},
            "random_direction_topic_rate": 0.003,
        },
        "checks": {
            "no_op": {"passed": True, "criterion": "clamped to own values: max |Δlogit| < 1e-4"},
            "dose_response": {
                "passed": True,
                "criterion": "non-decreasing to a peak of at least 10 x baseline",
            },
            "coherence": {"passed": False, "criterion": "distinct-2 below 0.2 at 100 x"},
        },
    }


def report(n_features: int = 240) -> dict[str, Any]:
    """A complete report; one card in three has labels."""
    part = features(n_features)
    labels = labels_of(part["cards"])
    part["cards"] = [with_labels(card, labels) for card in part["cards"]]
    return {
        "title": "Inside a small storyteller",
        "run": {
            "model": "builtin",
            "site": "blocks.2.resid_post",
            "corpus": "builtin",
            "n_tokens": 1_500_000,
            "dictionary": {"n_features": n_features, "sparsifier": "topk", "k": 32},
            "seconds": 214.0,
            "address": "builtin/blocks.2.resid_post/4f2a91c07b13",
            "versions": {"monoscope": "0.1.0", "torch": "2.13.0"},
        },
        "status": {"stage": "showcase", "done": ["harvest", "train"], "seconds": 214.0, "complete": True},
        "glimpse": glimpse(),
        "training": {"curve": curve()},
        "evaluation": evaluation(),
        "features": part,
        "showcase": showcase(),
        "formulas": {"kl": "mean over tokens of sum_v p (log p - log q)"},
    }
