"""Small invented data: real layouts and schemas, rendered first-person scenes that show what is narrated or labeled."""

from egocurate.curation.synthetic.labeled import write_labeled_root
from egocurate.curation.synthetic.labeled_config import LabeledRootConfig
from egocurate.curation.synthetic.long_videos import LongRootConfig, write_long_root
from egocurate.curation.synthetic.root import DemoRootConfig, demo_scripts, write_demo_root
from egocurate.curation.synthetic.summary_videos import SummaryRootConfig, write_summary_root

__all__ = [
    "DemoRootConfig",
    "LabeledRootConfig",
    "LongRootConfig",
    "SummaryRootConfig",
    "demo_scripts",
    "write_demo_root",
    "write_labeled_root",
    "write_long_root",
    "write_summary_root",
]
