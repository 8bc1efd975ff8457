"""Generated from proto/brokerapi; never edited by hand."""
