"""Writing entities: what clients send, read and made, one by one, attribute by attribute, many at once."""
