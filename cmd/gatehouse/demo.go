package main

import (
	"github.com/spf13/cobra"

	"gatehouse/internal/demo"
)

func newDemo(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Run a demonstration that needs no setup and leaves nothing behind",
		Long: "Runs `serve` with a temporary SQLite store, a random secret, an echo backend on loopback and a demo\n" +
			"user, and prints commands to paste. Ctrl-C ends it and deletes its files.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), demo.Options{Process: t.lookup, Out: t.out, Log: t.err, Version: version})
		},
	}
}
