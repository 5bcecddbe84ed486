"""People are told outside the browser: who wants to hear of what, what waits to be sent to them, the mail that goes out."""
