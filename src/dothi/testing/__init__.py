"""What tests and third-party sectors import: a city in a temporary folder, a clock, contract suites."""
