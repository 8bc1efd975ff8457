package brokergw.polyglot;

import brokerapi.v1.StreamStart;
import com.google.gson.FieldNamingPolicy;
import com.google.gson.GsonBuilder;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.util.List;

/**
 * A strategy in Java: places orders, replays a key, loses its stream and resumes it, reads refusals.
 *
 * <p>It prints one JSON object with what it saw and exits 0, or says on stderr what went wrong and exits 1.
 */
public final class Main {
    /** What the strategy saw; the same shape in every language. */
    record Report(
            SeenOrder submitted,
            SeenOrder replay,
            List<SeenFill> fills,
            SeenOrder missed,
            List<SeenFill> resumed,
            SeenRefusal badRequest,
            SeenRefusal reusedKey) {}

    private Main() {}

    public static void main(String[] arguments) {
        try {
            var json = new GsonBuilder().setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES).create();
            System.out.println(json.toJson(connectAndTrade()));
        } catch (RuntimeException | InterruptedException problem) {
            System.err.println(problem);
            System.exit(1);
        }
    }

    private static Report connectAndTrade() throws InterruptedException {
        ManagedChannel connection =
                Grpc.newChannelBuilder(System.getenv("BROKERGW_TARGET"), InsecureChannelCredentials.create())
                        .build();
        try {
            Channel channel = ClientInterceptors.intercept(
                    connection, MetadataUtils.newAttachHeadersInterceptor(identity(System.getenv("BROKERGW_API_KEY"))));
            return trade(Trader.inMockAccount(channel, System.getenv("BROKERGW_SYMBOL")), channel);
        } finally {
            connection.shutdownNow();
        }
    }

    private static Metadata identity(String apiKey) {
        var headers = new Metadata();
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + apiKey);
        headers.put(Metadata.Key.of("x-client-name", Metadata.ASCII_STRING_MARSHALLER), "polyglot-java");
        return headers;
    }

    private static Report trade(Trader trader, Channel channel) throws InterruptedException {
        var first = trader.marketBuy("1");
        SeenOrder submitted;
        SeenOrder replay;
        List<SeenFill> fills;
        String cursor;
        var fromSnapshot = StreamStart.newBuilder().setSnapshot(true).build();
        try (var stream = FillStream.open(channel, trader.accountId(), fromSnapshot)) {
            submitted = trader.submit(first);
            replay = trader.submit(first);
            fills = stream.fillsOf(submitted.orderId());
            cursor = stream.cursor();
        }

        var missed = trader.submit(trader.marketBuy("2"));
        trader.awaitFilled(missed.orderId());
        List<SeenFill> resumed;
        var afterCursor = StreamStart.newBuilder().setCursor(cursor).build();
        try (var stream = FillStream.open(channel, trader.accountId(), afterCursor)) {
            resumed = stream.fillsUntilQuiet();
        }

        var badRequest = SeenRefusal.of(() -> trader.submit(trader.marketBuy("0")));
        var other = trader.marketBuy("3").toBuilder()
                .setIdempotencyKey(first.getIdempotencyKey())
                .build();
        var reusedKey = SeenRefusal.of(() -> trader.submit(other));
        return new Report(submitted, replay, fills, missed, resumed, badRequest, reusedKey);
    }
}
