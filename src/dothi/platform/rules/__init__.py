"""Rules that people write and the city watches: conditions over what is read, and the alerts they raise."""
