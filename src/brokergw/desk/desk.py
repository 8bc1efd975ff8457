"""The desk: every use case of the gateway behind one face, wired once at start-up."""
