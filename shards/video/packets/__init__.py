"""Packets of a video before they are decoded: what they say of their pictures, and looking ahead among them."""
