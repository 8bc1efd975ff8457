package brokergw.polyglot;

import brokerapi.v1.AccountServiceGrpc;
import brokerapi.v1.GetOrderRequest;
import brokerapi.v1.ListAccountsRequest;
import brokerapi.v1.OrderServiceGrpc;
import brokerapi.v1.OrderSpec;
import brokerapi.v1.OrderState;
import brokerapi.v1.OrderType;
import brokerapi.v1.Side;
import brokerapi.v1.SubmitOrderRequest;
import brokerapi.v1.TimeInForce;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** Places market orders in one account. */
record Trader(Channel channel, String accountId, String symbol) {
    private static final Duration DEADLINE = Duration.ofSeconds(10);
    private static final Metadata.Key<String> REPLAYED =
            Metadata.Key.of("x-idempotent-replayed", Metadata.ASCII_STRING_MARSHALLER);

    static Trader inMockAccount(Channel channel, String symbol) {
        var answer = AccountServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(DEADLINE)
                .listAccounts(ListAccountsRequest.getDefaultInstance());
        return answer.getAccountsList().stream()
                .filter(account -> account.getBroker().equals("mock"))
                .findFirst()
                .map(account -> new Trader(channel, account.getAccountId(), symbol))
                .orElseThrow(() -> new IllegalStateException("the user has no account at the mock broker"));
    }

    SubmitOrderRequest marketBuy(String quantity) {
        return SubmitOrderRequest.newBuilder()
                .setIdempotencyKey(UUID.randomUUID().toString())
                .setAccountId(accountId)
                .setOrder(OrderSpec.newBuilder()
                        .setSymbol(symbol)
                        .setSide(Side.SIDE_BUY)
                        .setQuantity(quantity)
                        .setType(OrderType.ORDER_TYPE_MARKET)
                        .setTimeInForce(TimeInForce.TIME_IN_FORCE_GTC))
                .build();
    }

    SeenOrder submit(SubmitOrderRequest request) {
        var headers = new AtomicReference<Metadata>();
        var trailers = new AtomicReference<Metadata>();
        var observed = ClientInterceptors.intercept(
                channel, MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
        var answer = OrderServiceGrpc.newBlockingStub(observed)
                .withDeadlineAfter(DEADLINE)
                .submitOrder(request);
        var label = trailers.get().get(REPLAYED);
        return new SeenOrder(
                answer.getOrder().getOrderId(),
                answer.getOrder().getState().name(),
                answer.getReplayed(),
                label == null ? "" : label,
                answer.getCursor());
    }

    void awaitFilled(String orderId) throws InterruptedException {
        var orders = OrderServiceGrpc.newBlockingStub(channel);
        var request = GetOrderRequest.newBuilder().setOrderId(orderId).build();
        var giveUp = Instant.now().plus(DEADLINE);
        while (true) {
            var state = orders.withDeadlineAfter(DEADLINE)
                    .getOrder(request)
                    .getOrder()
                    .getState();
            if (state == OrderState.ORDER_STATE_FILLED) {
                return;
            }
            if (Instant.now().isAfter(giveUp)) {
                throw new IllegalStateException("order " + orderId + " is still " + state);
            }
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }
}
