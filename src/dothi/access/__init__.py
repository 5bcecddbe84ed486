"""Who may do what: people, actions, things, and the one function that decides."""
