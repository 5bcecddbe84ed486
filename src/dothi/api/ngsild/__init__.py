"""NGSI-LD (ETSI GS CIM 009 v1.8.1, in parts v1.9.1): the city's native door.

``door.py`` does what every operation has in common; ``contexts/`` knows names, ``querying/`` finds, ``writing/`` changes,
``temporal/`` keeps and shows the past, ``subscriptions/`` tells others. What is beside them is shared.
"""
