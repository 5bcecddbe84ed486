"""Subscriptions (ETSI GS CIM 009 v1.8.1, clause 5.8): what is kept of them, who is told what, and how it gets there."""
