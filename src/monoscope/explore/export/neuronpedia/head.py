"""The small tables of Neuronpedia's bulk import: release, model, source set, source, and how explanations were made."""

from typing import Any

from monoscope.explore.export.neuronpedia.names import (
    EXPLANATION_MODEL,
    EXPLANATION_TYPE,
    METHODS,
    Names,
    NeuronpediaOptions,
    explanation_type,
)
from monoscope.explore.export.source import Features, Origin


def head(
    features: Features, origin: Origin, names: Names, options: NeuronpediaOptions
) -> dict[str, list[dict[str, Any]]]:
    """The four small tables, one line each."""
    made = {"creatorId": options.creator_id, "createdAt": options.created}
    tables = {
        "release": release_line(origin, names, options),
        "model": model_line(origin, names, options),
        "sourceset": source_set_line(features, origin, names, options),
        "source": source_line(features, names, options),
    }
    return {f"{name}.jsonl": [made | line] for name, line in tables.items()}


def release_line(origin: Origin, names: Names, options: NeuronpediaOptions) -> dict[str, Any]:
    """The line of ``release.jsonl``."""
    return {
        "name": names.release,
        "description": f"Features of {origin.model} at {origin.site}, found by monoscope.",
        "descriptionShort": f"{origin.model} {origin.site}",
        "creatorName": options.creator_name,
        "creatorNameShort": options.creator_name,
        "creatorEmail": None,
        "visibility": "PUBLIC",
        "isNewUi": True,
        "featured": False,
        "urls": [],
        "defaultSourceSetName": names.source_set,
        "defaultSourceId": names.source,
        "defaultUmapSourceIds": [],
    }


def model_line(origin: Origin, names: Names, options: NeuronpediaOptions) -> dict[str, Any]:
    """The line of ``model.jsonl``."""
    return {
        "id": names.model,
        "instruct": False,
        "displayNameShort": names.model,
        "displayName": origin.model,
        "tlensId": None,
        "dimension": None,
        "visibility": "PUBLIC",
        "defaultSourceSetName": None,
        "defaultSourceId": None,
        "inferenceEnabled": False,
        "layers": options.layers,
        "neuronsPerLayer": options.neurons_per_layer,
        "owner": options.owner,
        "updatedAt": options.created,
        "website": None,
    }


def source_set_line(
    features: Features, origin: Origin, names: Names, options: NeuronpediaOptions
) -> dict[str, Any]:
    """The line of ``sourceset.jsonl``."""
    return {
        "modelId": names.model,
        "name": names.source_set,
        "hasDashboards": True,
        "visibility": "PUBLIC",
        "description": f"{origin.site} - {features.n_features} features",
        "type": "",
        "creatorName": options.creator_name,
        "urls": [],
        "creatorEmail": None,
        "releaseName": names.release,
        "defaultOfModelId": None,
        "defaultRange": 1,
        "defaultShowBreaks": True,
        "showDfa": False,
        "showCorrelated": False,
        "showHeadAttribution": False,
        "showUmap": False,
    }


def source_line(features: Features, names: Names, options: NeuronpediaOptions) -> dict[str, Any]:
    """The line of ``source.jsonl``."""
    context = features.manifest.content.get("context")
    tokens = features.manifest.content.get("n_tokens")
    return {
        "id": names.source,
        "modelId": names.model,
        "setName": names.source_set,
        "hasDashboards": True,
        "inferenceEnabled": False,
        "inferenceHosts": [],
        "saelensConfig": {"d_sae": features.n_features, "hook_name": names.hook, "context_size": context},
        "saelensRelease": None,
        "saelensSaeId": None,
        "hfRepoId": None,
        "hfFolderId": None,
        "visibility": "PUBLIC",
        "defaultOfModelId": None,
        "hasUmap": False,
        "hasUmapLogSparsity": False,
        "hasUmapClusters": False,
        "num_prompts": tokens // context if tokens and context else None,
        "num_tokens_in_prompt": context,
        "dataset": options.dataset or None,
        "notes": None,
    }


def configuration(options: NeuronpediaOptions) -> dict[str, list[dict[str, Any]]]:
    """What explanations refer to: how they were made, and by what."""
    words = "Words that a feature fires on, stands near to and promotes; no language model wrote it."
    made = {
        "featured": False,
        "url": None,
        "creatorName": options.creator_name,
        "createdAt": options.created,
        "updatedAt": options.created,
    }
    own = {"isAttention": False, "explainerModelSettingsId": None, "settings": None}
    own |= {"creatorId": options.creator_id}
    kinds = [(EXPLANATION_TYPE, "monoscope: tokens and logits", words)]
    kinds += [(explanation_type(method), name, account) for method, (name, account) in METHODS.items()]
    types = [
        {"name": name, "displayName": shown, "description": account} | own | made
        for name, shown, account in kinds
    ]
    model = {"name": EXPLANATION_MODEL, "displayName": "monoscope, without a language model"}
    return {
        "explanation_type.jsonl": types,
        "explanation_model_type.jsonl": [model | {"description": words} | made],
    }
