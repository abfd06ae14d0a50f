"""A small invented Ego4D root: real layout and schemas, rendered first-person scenes that show what is narrated."""

from egocurate.curation.synthetic.root import DemoRootConfig, write_demo_root

__all__ = ["DemoRootConfig", "write_demo_root"]
