"""The dashboard as people meet it: in a real browser, in front of a service that is really served."""
