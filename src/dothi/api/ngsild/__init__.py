"""NGSI-LD (ETSI GS CIM 009 v1.8.1): the city's native door. So far: reading entities."""
