"""The one writer of the record: units of work become groups, are decided, and become durable together."""
