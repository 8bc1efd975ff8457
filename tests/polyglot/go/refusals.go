package main

import (
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// seenRefusal is a typed error as its details told it; no text is parsed.
type seenRefusal struct {
	Code        string   `json:"code"`
	Reason      string   `json:"reason"`
	Domain      string   `json:"domain"`
	OrderEffect string   `json:"order_effect"`
	Retry       string   `json:"retry"`
	Fields      []string `json:"fields"`
	Resource    string   `json:"resource"`
	RequestID   string   `json:"request_id"`
}

// refusalOf reads the error of a call that must not succeed.
func refusalOf(answered seenOrder, err error) (seenRefusal, error) {
	if err == nil {
		return seenRefusal{}, fmt.Errorf("order %s was taken, yet it had to be refused", answered.OrderID)
	}
	var stated interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &stated) {
		return seenRefusal{}, err
	}
	said := stated.GRPCStatus()
	refusal := seenRefusal{Code: code.Code(said.Code()).String(), Fields: []string{}}
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			refusal.Reason = detail.GetReason()
			refusal.Domain = detail.GetDomain()
			refusal.OrderEffect = detail.GetMetadata()["order_effect"]
			refusal.Retry = detail.GetMetadata()["retry"]
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				refusal.Fields = append(refusal.Fields, violation.GetField())
			}
		case *errdetails.ResourceInfo:
			refusal.Resource = detail.GetResourceName()
		case *errdetails.RequestInfo:
			refusal.RequestID = detail.GetRequestId()
		}
	}
	return refusal, nil
}
