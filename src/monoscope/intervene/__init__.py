"""What can be changed: features pinned, shifted, scaled or switched off, reconstructions spliced in."""

from monoscope.intervene.ablation import Ablations, ablations
from monoscope.intervene.attribution import Attribution, attribution
from monoscope.intervene.dose import Dose, Effect, dose_response, rank_by_effect, recommended, undosed
from monoscope.intervene.edits import Ablate, Add, Clamp, Edit, Scale, edit_function
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.splice import ablated, spliced
from monoscope.intervene.steer import steer
from monoscope.intervene.topic import Topic

__all__ = [
    "Ablate",
    "Ablations",
    "Add",
    "Attribution",
    "Clamp",
    "Dose",
    "Edit",
    "Effect",
    "Scale",
    "Topic",
    "ablated",
    "ablations",
    "attribution",
    "dose_response",
    "edit_function",
    "rank_by_effect",
    "recommended",
    "spliced",
    "steer",
    "story_beginnings",
    "undosed",
]
