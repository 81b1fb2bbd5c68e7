"""The pure core: what a request costs, who pays for it and what the journal says about it.

Nothing here reads a clock, a file or a socket, and nothing is imported but the standard library.
"""
