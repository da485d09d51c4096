package main

import (
	"fmt"
	"log/slog"
	"time"

	"gatehouse/internal/server"

	"github.com/spf13/cobra"
)

// commandStoreWait is how long a command waits for the database.
const commandStoreWait = 5 * time.Second

// discardLog returns the log of commands, which print their results instead.
func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newMigrate(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Update the database's schema",
		Long: "Applies the missing migrations, as `serve` does at its start. If the gateway's database user may not\n" +
			"change the schema, run this as another database user, and `serve` with GATEWAY_MIGRATE=off.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := t.settings()
			if err != nil {
				return err
			}
			s.Migrate = true
			opened, applied, err := server.OpenStore(cmd.Context(), s, commandStoreWait, discardLog())
			if err != nil {
				return err
			}
			defer opened.Close()
			for _, name := range applied {
				fmt.Fprintf(t.out, "applied %s\n", name)
			}
			fmt.Fprintf(t.out, "%s: up to date\n", opened.Address())
			twins, err := opened.EmailTwins(cmd.Context())
			if err != nil {
				return err
			}
			for _, group := range twins {
				fmt.Fprintf(t.out, "these users have the same e-mail in different forms: %s\n  hint: %s\n", server.QuoteEmails(group), server.TwinsHint)
			}
			return nil
		},
	}
}
