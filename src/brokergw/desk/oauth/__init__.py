"""OAuth: authorising connections, and keeping their tokens good."""
