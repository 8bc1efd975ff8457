package brokergw.polyglot;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.ResourceInfo;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.function.Supplier;

/** A typed error as its details told it; no text is parsed. */
record SeenRefusal(
        String code,
        String reason,
        String domain,
        String orderEffect,
        String retry,
        List<String> fields,
        String resource,
        String requestId) {

    /** Reads the error of a call that must not succeed. */
    static SeenRefusal of(Supplier<SeenOrder> call) {
        try {
            throw new IllegalStateException("order " + call.get().orderId() + " was taken, yet it had to be refused");
        } catch (StatusRuntimeException refused) {
            return read(StatusProto.fromThrowable(refused));
        }
    }

    private static SeenRefusal read(com.google.rpc.Status status) {
        var info = detail(status, ErrorInfo.class, ErrorInfo.getDefaultInstance());
        return new SeenRefusal(
                Code.forNumber(status.getCode()).name(),
                info.getReason(),
                info.getDomain(),
                info.getMetadataOrDefault("order_effect", ""),
                info.getMetadataOrDefault("retry", ""),
                detail(status, BadRequest.class, BadRequest.getDefaultInstance()).getFieldViolationsList().stream()
                        .map(BadRequest.FieldViolation::getField)
                        .toList(),
                detail(status, ResourceInfo.class, ResourceInfo.getDefaultInstance()).getResourceName(),
                detail(status, RequestInfo.class, RequestInfo.getDefaultInstance()).getRequestId());
    }

    private static <T extends com.google.protobuf.Message> T detail(
            com.google.rpc.Status status, Class<T> kind, T absent) {
        for (Any detail : status.getDetailsList()) {
            if (detail.is(kind)) {
                try {
                    return detail.unpack(kind);
                } catch (InvalidProtocolBufferException garbled) {
                    throw new IllegalStateException("a detail cannot be read", garbled);
                }
            }
        }
        return absent;
    }
}
