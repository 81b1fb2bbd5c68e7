"""Statements: a month of an account, signed, and verifiable by anybody who has the file."""
