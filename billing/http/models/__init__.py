"""What goes in and out over HTTP: typed, documented, and refused where it is not as the contract says."""
