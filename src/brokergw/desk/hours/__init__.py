"""When orders may come: calendars, the sessions that brokers tell, users' own hours, and clocks that must agree."""
