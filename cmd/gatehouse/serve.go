package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"gatehouse/config/settings"
	"gatehouse/internal/server"
)

func newServe(t terminal, file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: "Runs the gateway: the public listener (GATEWAY_LISTEN, :8080) and the operators' listener (GATEWAY_OPS_LISTEN,\n" +
			"127.0.0.1:8081). It needs GATEWAY_JWT_SECRET or GATEWAY_JWT_PRIVATE_KEY_FILE. An edit of the route table, and SIGHUP,\n" +
			"reload the table. SIGTERM stops the gateway after the open requests have finished.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lookup, err := t.environment()
			if err != nil {
				return err
			}
			t.environ = slices.Concat(t.environ, settings.DotenvNames(dotenv))
			return serve(cmd.Context(), server.Options{
				File: *file, Lookup: lookup, ReadEnvironment: t.environment,
				Process: t.lookup, Environ: t.environ, Output: t.err, Version: version,
			})
		},
	}
}

// serve runs a gateway. It has already printed the problems of an invalid
// table.
func serve(ctx context.Context, options server.Options) error {
	err := server.Run(ctx, options)
	if errors.Is(err, server.ErrInvalidTable) {
		return &reportedError{}
	}
	return err
}
