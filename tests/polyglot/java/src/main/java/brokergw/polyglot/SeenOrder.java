package brokergw.polyglot;

/** An order as an answer showed it. */
record SeenOrder(String orderId, String state, boolean replayed, String replayedLabel, String cursor) {}
