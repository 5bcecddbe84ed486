"""Pages of rules and alerts: what the city watches, tried before it is used, and what it found."""
