// A strategy in Go: places orders, replays a key, loses its stream and resumes it, reads refusals.
//
// It prints one JSON object with what it saw and exits 0, or says on stderr what went wrong and exits 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	pb "brokergw/gen/brokerapi/v1"
)

const (
	callDeadline   = 10 * time.Second
	streamDeadline = 30 * time.Second
)

// report is what the strategy saw; the same shape in every language.
type report struct {
	Submitted  seenOrder   `json:"submitted"`
	Replay     seenOrder   `json:"replay"`
	Fills      []seenFill  `json:"fills"`
	Missed     seenOrder   `json:"missed"`
	Resumed    []seenFill  `json:"resumed"`
	BadRequest seenRefusal `json:"bad_request"`
	ReusedKey  seenRefusal `json:"reused_key"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*streamDeadline)
	defer cancel()
	if err := run(ctx, os.Getenv("BROKERGW_TARGET"), os.Getenv("BROKERGW_API_KEY"), os.Getenv("BROKERGW_SYMBOL")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, target, apiKey, symbol string) error {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+apiKey, "x-client-name", "polyglot-go")

	trader, err := newTrader(ctx, conn, symbol)
	if err != nil {
		return err
	}
	seen, err := trade(ctx, trader, pb.NewFillServiceClient(conn))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}

func trade(ctx context.Context, t *trader, fills pb.FillServiceClient) (*report, error) {
	seen := &report{}
	stream, err := openFills(ctx, fills, t.account, &pb.StreamStart{Start: &pb.StreamStart_Snapshot{Snapshot: true}})
	if err != nil {
		return nil, err
	}
	defer stream.close()

	first := t.marketBuy("1")
	if seen.Submitted, err = t.submit(ctx, first); err != nil {
		return nil, err
	}
	if seen.Replay, err = t.submit(ctx, first); err != nil {
		return nil, err
	}
	if seen.Fills, err = stream.fillsOf(seen.Submitted.OrderID); err != nil {
		return nil, err
	}
	cursor := stream.cursor
	stream.close()

	if seen.Missed, err = t.submit(ctx, t.marketBuy("2")); err != nil {
		return nil, err
	}
	if err = t.untilFilled(ctx, seen.Missed.OrderID); err != nil {
		return nil, err
	}
	resumed, err := openFills(ctx, fills, t.account, &pb.StreamStart{Start: &pb.StreamStart_Cursor{Cursor: cursor}})
	if err != nil {
		return nil, err
	}
	defer resumed.close()
	if seen.Resumed, err = resumed.fillsUntilQuiet(); err != nil {
		return nil, err
	}

	if seen.BadRequest, err = refusalOf(t.submit(ctx, t.marketBuy("0"))); err != nil {
		return nil, err
	}
	other := t.marketBuy("3")
	other.IdempotencyKey = first.IdempotencyKey
	if seen.ReusedKey, err = refusalOf(t.submit(ctx, other)); err != nil {
		return nil, err
	}
	return seen, nil
}
