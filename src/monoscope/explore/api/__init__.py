"""What a page asks about a run over HTTP: read-only, from the run's records and its index alone."""

from monoscope.explore.api.explored import Explored, RecordName
from monoscope.explore.api.page import add_page
from monoscope.explore.api.routes import add_exploring

__all__ = ["Explored", "RecordName", "add_exploring", "add_page"]
