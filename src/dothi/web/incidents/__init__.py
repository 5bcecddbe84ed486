"""Pages of work: the queue of incidents, one incident, the officer's own list, hand-over and load."""
