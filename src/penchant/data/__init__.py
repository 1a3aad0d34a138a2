"""Images in: folders, idx files, arrays and the embedded picture set, cached as bytes."""

from penchant.data.captions import Captions, read_captions
from penchant.data.convert import to_float, to_uint8
from penchant.data.images import ImageSet, IntakeReport, open_images
from penchant.data.pictures import Pictures, draw_pictures
from penchant.data.settings import ImageSettings
from penchant.data.sheet import contact_sheet

__all__ = [
    "Captions",
    "ImageSet",
    "ImageSettings",
    "IntakeReport",
    "Pictures",
    "contact_sheet",
    "draw_pictures",
    "open_images",
    "read_captions",
    "to_float",
    "to_uint8",
]
