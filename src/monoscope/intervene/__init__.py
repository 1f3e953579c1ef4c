"""What can be changed: features pinned, shifted, scaled or switched off, reconstructions spliced in."""

from monoscope.intervene.ablation import Ablations, ablations
from monoscope.intervene.attribution import Attribution, attribution
from monoscope.intervene.calibration import Calibration, CalibrationOptions, calibrate
from monoscope.intervene.dose import Dose, Effect, dose_response, rank_by_effect, recommended, undosed
from monoscope.intervene.each import EachSteered, steer_each
from monoscope.intervene.edits import Ablate, Add, Cap, Clamp, Edit, Scale
from monoscope.intervene.judges import CommandJudge, Judge, TargetLogits, TopicJudge
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.scope import Scope, When
from monoscope.intervene.side_by_side import SideStep, side_by_side
from monoscope.intervene.splice import ablated, spliced
from monoscope.intervene.steer import Rule, edit_function, steer
from monoscope.intervene.steerable import Steerable, steerable_features, steerable_vector
from monoscope.intervene.topic import Topic

__all__ = [
    "Ablate",
    "Ablations",
    "Add",
    "Attribution",
    "Calibration",
    "CalibrationOptions",
    "Cap",
    "Clamp",
    "CommandJudge",
    "Dose",
    "EachSteered",
    "Edit",
    "Effect",
    "Judge",
    "Rule",
    "Scale",
    "Scope",
    "SideStep",
    "Steerable",
    "TargetLogits",
    "Topic",
    "TopicJudge",
    "When",
    "ablated",
    "ablations",
    "attribution",
    "calibrate",
    "dose_response",
    "edit_function",
    "rank_by_effect",
    "recommended",
    "side_by_side",
    "spliced",
    "steer",
    "steer_each",
    "steerable_features",
    "steerable_vector",
    "story_beginnings",
    "undosed",
]
