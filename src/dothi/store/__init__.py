"""Ports as Protocols and their homes: database and migrations, journal, outbox, audit, backup."""
