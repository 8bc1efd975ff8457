package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "brokergw/gen/brokerapi/v1"
)

// seenFill is a fill as the stream told it.
type seenFill struct {
	FillID         string `json:"fill_id"`
	OrderID        string `json:"order_id"`
	Quantity       string `json:"quantity"`
	LeavesQuantity string `json:"leaves_quantity"`
	Sequence       int64  `json:"sequence"`
}

// fillStream reads fills and remembers where it is.
type fillStream struct {
	messages grpc.ServerStreamingClient[pb.SubscribeFillsResponse]
	close    context.CancelFunc
	cursor   string
}

// openFills subscribes and reads up to the point from which nothing is missed.
func openFills(ctx context.Context, fills pb.FillServiceClient, account string, start *pb.StreamStart) (*fillStream, error) {
	ctx, cancel := context.WithTimeout(ctx, streamDeadline)
	messages, err := fills.SubscribeFills(ctx, &pb.SubscribeFillsRequest{
		AccountIds:        []string{account},
		Start:             start,
		HeartbeatInterval: &durationpb.Duration{Seconds: 1},
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	stream := &fillStream{messages: messages, close: cancel}
	if err := stream.opening(start.GetSnapshot()); err != nil {
		cancel()
		return nil, err
	}
	return stream, nil
}

func (s *fillStream) opening(snapshot bool) error {
	message, err := s.messages.Recv()
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	if message.GetSubscribed() == nil {
		return fmt.Errorf("a stream opens with Subscribed, not with %T", message.GetMessage())
	}
	if !snapshot {
		return nil
	}
	message, err = s.messages.Recv()
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if message.GetSnapshotComplete() == nil {
		return fmt.Errorf("a snapshot of fills is empty, yet %T came", message.GetMessage())
	}
	s.cursor = message.GetSnapshotComplete().GetCursor()
	return nil
}

// fillsOf reads until the order has nothing left to fill.
func (s *fillStream) fillsOf(orderID string) ([]seenFill, error) {
	return s.read(func(last *seenFill, _ bool) bool {
		return last != nil && last.OrderID == orderID && last.LeavesQuantity == "0"
	})
}

// fillsUntilQuiet reads until at least one fill has come and then a heartbeat says that there is no more.
func (s *fillStream) fillsUntilQuiet() ([]seenFill, error) {
	return s.read(func(last *seenFill, quiet bool) bool { return last != nil && quiet })
}

func (s *fillStream) read(enough func(last *seenFill, quiet bool) bool) ([]seenFill, error) {
	var seen []seenFill
	for {
		message, err := s.messages.Recv()
		if err != nil {
			return nil, fmt.Errorf("read fills after %d: %w", len(seen), err)
		}
		switch body := message.GetMessage().(type) {
		case *pb.SubscribeFillsResponse_Event:
			fill := body.Event.GetFill()
			s.cursor = body.Event.GetHeader().GetCursor()
			seen = append(seen, seenFill{
				FillID:         fill.GetFillId(),
				OrderID:        fill.GetOrderId(),
				Quantity:       fill.GetQuantity(),
				LeavesQuantity: fill.GetLeavesQuantity(),
				Sequence:       body.Event.GetHeader().GetSequence(),
			})
		case *pb.SubscribeFillsResponse_Heartbeat:
			s.cursor = body.Heartbeat.GetCursor()
		case *pb.SubscribeFillsResponse_Terminating:
			return nil, errors.New("the stream ended: " + body.Terminating.GetReason().String())
		}
		var last *seenFill
		if len(seen) > 0 {
			last = &seen[len(seen)-1]
		}
		if enough(last, message.GetHeartbeat() != nil) {
			return seen, nil
		}
	}
}
