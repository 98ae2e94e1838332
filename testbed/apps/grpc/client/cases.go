// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"
)

// cases are gRPC's interoperability tests by the names that its own client gives them, and our own below.
var cases = map[string]func(context.Context, *grpc.ClientConn){
	"empty_unary":                 onTestService(interop.DoEmptyUnaryCall),
	"large_unary":                 onTestService(interop.DoLargeUnaryCall),
	"client_streaming":            onTestService(interop.DoClientStreaming),
	"server_streaming":            onTestService(interop.DoServerStreaming),
	"ping_pong":                   onTestService(interop.DoPingPong),
	"empty_stream":                onTestService(interop.DoEmptyStream),
	"timeout_on_sleeping_server":  onTestService(interop.DoTimeoutOnSleepingServer),
	"cancel_after_begin":          onTestService(interop.DoCancelAfterBegin),
	"cancel_after_first_response": onTestService(interop.DoCancelAfterFirstResponse),
	"custom_metadata":             onTestService(interop.DoCustomMetadata),
	"status_code_and_message":     onTestService(interop.DoStatusCodeAndMessage),
	"special_status_message":      onTestService(interop.DoSpecialStatusMessage),
	"unimplemented_method":        interop.DoUnimplementedMethod,
	"unimplemented_service": func(ctx context.Context, cc *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, grpc_testing.NewUnimplementedServiceClient(cc))
	},
	"slow_answer": slowAnswer,
}

func onTestService(run func(context.Context, grpc_testing.TestServiceClient, ...grpc.CallOption)) func(context.Context, *grpc.ClientConn) {
	return func(ctx context.Context, cc *grpc.ClientConn) { run(ctx, grpc_testing.NewTestServiceClient(cc)) }
}

// slowAnswer asks for one message after 20 ms.
func slowAnswer(ctx context.Context, cc *grpc.ClientConn) {
	stream, err := grpc_testing.NewTestServiceClient(cc).StreamingOutputCall(ctx, &grpc_testing.StreamingOutputCallRequest{
		ResponseParameters: []*grpc_testing.ResponseParameters{{Size: 10, IntervalUs: 20_000}},
	})
	for err == nil {
		_, err = stream.Recv()
	}
}

func smallUnary(ctx context.Context, cc *grpc.ClientConn) {
	request := &grpc_testing.SimpleRequest{ResponseSize: 100}
	if _, err := grpc_testing.NewTestServiceClient(cc).UnaryCall(ctx, request); err != nil {
		log.Fatal(err)
	}
}
