package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	pb "brokergw/gen/brokerapi/v1"
)

// seenOrder is an order as an answer showed it.
type seenOrder struct {
	OrderID       string `json:"order_id"`
	State         string `json:"state"`
	Replayed      bool   `json:"replayed"`
	ReplayedLabel string `json:"replayed_label"`
	Cursor        string `json:"cursor"`
}

// trader places market orders in one account.
type trader struct {
	orders  pb.OrderServiceClient
	account string
	symbol  string
}

func newTrader(ctx context.Context, conn *grpc.ClientConn, symbol string) (*trader, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	answer, err := pb.NewAccountServiceClient(conn).ListAccounts(ctx, &pb.ListAccountsRequest{})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	for _, account := range answer.GetAccounts() {
		if account.GetBroker() == "mock" {
			return &trader{orders: pb.NewOrderServiceClient(conn), account: account.GetAccountId(), symbol: symbol}, nil
		}
	}
	return nil, errors.New("the user has no account at the mock broker")
}

func (t *trader) marketBuy(quantity string) *pb.SubmitOrderRequest {
	return &pb.SubmitOrderRequest{
		IdempotencyKey: uuid.NewString(),
		AccountId:      t.account,
		Order: &pb.OrderSpec{
			Symbol:      t.symbol,
			Side:        pb.Side_SIDE_BUY,
			Size:        &pb.OrderSpec_Quantity{Quantity: quantity},
			Type:        pb.OrderType_ORDER_TYPE_MARKET,
			TimeInForce: pb.TimeInForce_TIME_IN_FORCE_GTC,
		},
	}
}

func (t *trader) submit(ctx context.Context, request *pb.SubmitOrderRequest) (seenOrder, error) {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	var trailer metadata.MD
	answer, err := t.orders.SubmitOrder(ctx, request, grpc.Trailer(&trailer))
	if err != nil {
		return seenOrder{}, fmt.Errorf("submit: %w", err)
	}
	seen := seenOrder{
		OrderID:  answer.GetOrder().GetOrderId(),
		State:    answer.GetOrder().GetState().String(),
		Replayed: answer.GetReplayed(),
		Cursor:   answer.GetCursor(),
	}
	if labels := trailer.Get("x-idempotent-replayed"); len(labels) > 0 {
		seen.ReplayedLabel = labels[0]
	}
	return seen, nil
}

func (t *trader) untilFilled(ctx context.Context, orderID string) error {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	for {
		answer, err := t.orders.GetOrder(ctx, &pb.GetOrderRequest{OrderId: orderID})
		if err != nil {
			return fmt.Errorf("get order: %w", err)
		}
		if answer.GetOrder().GetState() == pb.OrderState_ORDER_STATE_FILLED {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("order %s is still %s", orderID, answer.GetOrder().GetState())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
