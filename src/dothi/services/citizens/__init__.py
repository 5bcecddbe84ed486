"""The citizens' sector: what people report from the street, what became of it, and whether they are content."""

from dothi.model.text import Text
from dothi.platform.sector import Sector
from dothi.services.citizens import pages
from dothi.services.citizens.contact import PURPOSE
from dothi.services.citizens.kinds import KINDS
from dothi.services.citizens.tile import tile
from dothi.services.citizens.told import Told

SECTOR = Sector(
    id="citizens",
    title=Text("Phản ánh", "Reports"),
    agency="ubnd-phuong-xa",
    entity_types=(),
    bottleneck="order",
    tile=tile,
    pages=pages.routes,
    links=(("/report", Text("Gửi phản ánh", "Report a problem")),),
    purposes=(PURPOSE,),
    incident_kinds=KINDS,
    tells=Told,
)
