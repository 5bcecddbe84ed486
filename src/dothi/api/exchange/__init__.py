"""The whole city as a folder of open formats, and back: NGSI-LD, Parquet, GeoJSON, CSV and NDJSON."""
