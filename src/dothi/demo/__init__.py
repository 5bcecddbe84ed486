"""A demo neighbourhood: invented work in a city of simulated readings, so that whoever tries it finds something to do."""
