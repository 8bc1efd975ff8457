// Follows a server's health through grpc.health.v1, as a probe and as a load balancer would.
//
//	health check <target> [service]   prints the status once; exits 0 only for SERVING
//	health list  <target>             prints every service with its status, sorted
//	health watch <target> [service]   prints each status as it changes, until the stream ends
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const deadline = 10 * time.Second

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: health check|list|watch <target> [service]")
		os.Exit(2)
	}
	service := ""
	if len(os.Args) > 3 {
		service = os.Args[3]
	}
	if err := run(os.Args[1], os.Args[2], service); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(verb, target, service string) error {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := pb.NewHealthClient(conn)
	switch verb {
	case "check":
		return check(client, service)
	case "list":
		return list(client)
	case "watch":
		return watch(client, service)
	}
	return fmt.Errorf("no such verb: %s", verb)
}

func check(client pb.HealthClient, service string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	answer, err := client.Check(ctx, &pb.HealthCheckRequest{Service: service})
	if err != nil {
		return named(err)
	}
	fmt.Println(answer.GetStatus())
	if answer.GetStatus() != pb.HealthCheckResponse_SERVING {
		return fmt.Errorf("%q does not serve", service)
	}
	return nil
}

func list(client pb.HealthClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	answer, err := client.List(ctx, &pb.HealthListRequest{})
	if err != nil {
		return named(err)
	}
	var lines []string
	for service, told := range answer.GetStatuses() {
		lines = append(lines, fmt.Sprintf("%s=%s", service, told.GetStatus()))
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	return nil
}

func watch(client pb.HealthClient, service string) error {
	stream, err := client.Watch(context.Background(), &pb.HealthCheckRequest{Service: service})
	if err != nil {
		return named(err)
	}
	for {
		told, err := stream.Recv()
		if err != nil {
			return named(err)
		}
		fmt.Println(told.GetStatus())
	}
}

// named puts the code's canonical name first, so that a reader need not know the library's text.
func named(err error) error {
	return fmt.Errorf("%s: %w", status.Code(err), err)
}
