package brokergw.polyglot;

import brokerapi.v1.FillEvent;

/** A fill as the stream told it. */
record SeenFill(String fillId, String orderId, String quantity, String leavesQuantity, long sequence) {
    static SeenFill of(FillEvent event) {
        var fill = event.getFill();
        return new SeenFill(
                fill.getFillId(),
                fill.getOrderId(),
                fill.getQuantity(),
                fill.getLeavesQuantity(),
                event.getHeader().getSequence());
    }
}
