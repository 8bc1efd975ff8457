"""One room per broker whose wire protocol is spoken."""
