"""Personal data, apart from the city's own: why it is kept, for how long, sealed so that it can be forgotten."""
