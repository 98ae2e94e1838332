// SPDX-License-Identifier: Apache-2.0

// Command catalog is the shop's gRPC service: it reads the price of what was ordered from PostgreSQL.
//
// Its methods are called Price1, Price2 and so on, one for each order, and the SQL names its column after the order: a test
// reads from that which query belongs to which call. Orders that end with 5 are for what the shop does not have.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type catalog struct{ pool *pgxpool.Pool }

// pricer is what grpc holds the implementation against.
type pricer interface {
	price(ctx context.Context, order int) (*wrapperspb.StringValue, error)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	postgres := flag.String("postgres", "", "URL of the database")
	orders := flag.Int("orders", 9999, "highest number of an order")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pool, err := pgxpool.New(ctx, *postgres)
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	srv := grpc.NewServer()
	srv.RegisterService(service(*orders), &catalog{pool})
	context.AfterFunc(ctx, srv.Stop)
	fmt.Println("listening", ln.Addr())
	if err := srv.Serve(ln); err != nil {
		log.Fatal(err)
	}
}

// service describes what generated code would describe, for as many methods as there are orders.
func service(orders int) *grpc.ServiceDesc {
	desc := &grpc.ServiceDesc{ServiceName: "shop.Catalog", HandlerType: (*pricer)(nil)}
	for n := 1; n <= orders; n++ {
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: "Price" + strconv.Itoa(n),
			Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				if err := decode(&wrapperspb.StringValue{}); err != nil {
					return nil, err
				}
				return srv.(pricer).price(ctx, n)
			},
		})
	}
	return desc
}

func (c *catalog) price(ctx context.Context, order int) (*wrapperspb.StringValue, error) {
	item := order % 10
	sql := fmt.Sprintf("SELECT price AS item_%d FROM items WHERE id = $1", order)
	var price int
	err := c.pool.QueryRow(ctx, sql, pgx.QueryExecModeExec, item).Scan(&price)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, status.Error(codes.NotFound, "no such item")
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return wrapperspb.String(strconv.Itoa(price)), nil
}
