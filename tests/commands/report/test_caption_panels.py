"""What the page says of several captions a clip: who wrote them, without texts that no clip is shown with."""

import pyarrow as pa

from egocurate.captions import CAPTION_TYPES
from egocurate.commands.report.panels import caption_panels
from egocurate.text_choices import CAPTION_KINDS


def test_captions_are_counted_by_clip_and_by_who_wrote_them():
    kinds = [[0, 1, 1], [0, len(CAPTION_KINDS)]]
    lists = {name: [[None] * len(row) for row in kinds] for name in CAPTION_TYPES} | {"caption_kinds": kinds}
    columns = {name: pa.array(lists[name], kind) for name, kind in CAPTION_TYPES.items()}
    panels = {panel.title: panel for panel in caption_panels(pa.table({"text": ["opens it", "sits"], **columns}))}
    assert panels["Captions of a clip"].values.tolist() == [3, 1]
    assert panels["Captions of a clip"].note == "4 captions, 2.0 a clip on average."
    assert panels["Who wrote the captions"].values == [("human", 2), ("rephrased", 2), ("narrator", 0), ("caption", 0)]
