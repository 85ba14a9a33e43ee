"""Frames on the wire: messages, publisher, recorder process, analyst process."""
