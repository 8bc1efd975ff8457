package brokergw.polyglot;

import brokerapi.v1.FillServiceGrpc;
import brokerapi.v1.StreamStart;
import brokerapi.v1.SubscribeFillsRequest;
import brokerapi.v1.SubscribeFillsResponse;
import brokerapi.v1.SubscribeFillsResponse.MessageCase;
import com.google.protobuf.Duration;
import io.grpc.Channel;
import io.grpc.Context;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BiPredicate;

/** Reads fills and remembers where it is; closing it cancels the call. */
final class FillStream implements AutoCloseable {
    private final Context.CancellableContext call;
    private final Iterator<SubscribeFillsResponse> messages;
    private String cursor = "";

    private FillStream(Context.CancellableContext call, Iterator<SubscribeFillsResponse> messages) {
        this.call = call;
        this.messages = messages;
    }

    /** Subscribes and reads up to the point from which nothing is missed. */
    static FillStream open(Channel channel, String accountId, StreamStart start) {
        var request = SubscribeFillsRequest.newBuilder()
                .addAccountIds(accountId)
                .setStart(start)
                .setHeartbeatInterval(Duration.newBuilder().setSeconds(1))
                .build();
        var call = Context.current().withCancellation();
        var before = call.attach();
        try {
            var messages = FillServiceGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(30, TimeUnit.SECONDS)
                    .subscribeFills(request);
            var stream = new FillStream(call, messages);
            stream.opening(start.getSnapshot());
            return stream;
        } catch (RuntimeException problem) {
            call.cancel(problem);
            throw problem;
        } finally {
            call.detach(before);
        }
    }

    String cursor() {
        return cursor;
    }

    /** Reads until the order has nothing left to fill. */
    List<SeenFill> fillsOf(String orderId) {
        return read((last, kind) ->
                last != null && last.orderId().equals(orderId) && last.leavesQuantity().equals("0"));
    }

    /** Reads until at least one fill has come and then a heartbeat says that there is no more. */
    List<SeenFill> fillsUntilQuiet() {
        return read((last, kind) -> last != null && kind == MessageCase.HEARTBEAT);
    }

    @Override
    public void close() {
        call.cancel(null);
    }

    private void opening(boolean snapshot) {
        expect(MessageCase.SUBSCRIBED);
        if (snapshot) {
            cursor = expect(MessageCase.SNAPSHOT_COMPLETE).getSnapshotComplete().getCursor();
        }
    }

    private SubscribeFillsResponse expect(MessageCase kind) {
        var message = messages.next();
        if (message.getMessageCase() != kind) {
            throw new IllegalStateException(kind + " was due, " + message.getMessageCase() + " came");
        }
        return message;
    }

    private List<SeenFill> read(BiPredicate<SeenFill, MessageCase> enough) {
        var seen = new ArrayList<SeenFill>();
        while (true) {
            var message = messages.next();
            switch (message.getMessageCase()) {
                case EVENT -> {
                    cursor = message.getEvent().getHeader().getCursor();
                    seen.add(SeenFill.of(message.getEvent()));
                }
                case HEARTBEAT -> cursor = message.getHeartbeat().getCursor();
                case TERMINATING -> throw new IllegalStateException(
                        "the stream ended: " + message.getTerminating().getReason());
                default -> {
                    // A newer gateway may say more; what is unknown is skipped.
                }
            }
            if (enough.test(seen.isEmpty() ? null : seen.get(seen.size() - 1), message.getMessageCase())) {
                return seen;
            }
        }
    }
}
