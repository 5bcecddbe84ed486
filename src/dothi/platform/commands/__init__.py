"""Commands to devices: proposed, approved by a person, sent, acknowledged, verified by a reading, or failed loudly."""
