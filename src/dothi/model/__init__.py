"""What a city is made of, as pure values: nothing here reads a file, opens a socket or imports another floor."""
