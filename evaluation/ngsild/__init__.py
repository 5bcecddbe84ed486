"""The public ETSI conformance suite of NGSI-LD (Robot Framework) against a city of our own."""
