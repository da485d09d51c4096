package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/store"
)

// How long the database may take to appear.
const (
	serveStoreWait   = 30 * time.Second
	commandStoreWait = 5 * time.Second
	waitTold         = 5 * time.Second // between two lines about it
)

// openStore opens the store of the settings, waits for it, and brings its
// schema up to date, or only looks at it with GATEWAY_MIGRATE=off. It returns
// the names of the migrations that it applied. While it waits it tells the log.
func openStore(ctx context.Context, s config.Settings, wait time.Duration, log *slog.Logger) (store.Store, []string, error) {
	opened, err := store.Open(ctx, s.DatabaseURL.Reveal(), store.Options{FeedURL: s.FeedDatabaseURL.Reveal()})
	if err != nil {
		return nil, nil, err
	}
	applied, err := prepareStore(ctx, opened, s, wait, log)
	if err != nil {
		_ = opened.Close()
		return nil, nil, err
	}
	return opened, applied, nil
}

// tellingStore tells of failed attempts to reach it, now and then.
type tellingStore struct {
	store.Store
	log  *slog.Logger
	told time.Time
}

func (s *tellingStore) Ping(ctx context.Context) error {
	err := s.Store.Ping(ctx)
	if err != nil && ctx.Err() == nil && time.Since(s.told) > waitTold {
		s.told = time.Now()
		s.log.WarnContext(ctx, "waiting for the store", "address", s.Address(), "error", err.Error())
	}
	return err
}

func prepareStore(ctx context.Context, opened store.Store, s config.Settings, wait time.Duration, log *slog.Logger) ([]string, error) {
	if err := store.WaitReady(ctx, &tellingStore{Store: opened, log: log}, wait); err != nil {
		return nil, err
	}
	if !s.Migrate {
		return nil, store.CheckSchema(ctx, opened)
	}
	applied, err := opened.Migrate(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate %s: %w", opened.Address(), err)
	}
	return applied, nil
}

// quiet is the log of commands: they tell how they ended.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newMigrate(t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long: "Applies the migrations that are missing, as `serve` does at its start. For those whose gateway may\n" +
			"not change the schema: run this as another database user, and `serve` with GATEWAY_MIGRATE=off.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := t.settings()
			if err != nil {
				return err
			}
			s.Migrate = true
			opened, applied, err := openStore(cmd.Context(), s, commandStoreWait, quiet())
			if err != nil {
				return err
			}
			defer opened.Close()
			for _, name := range applied {
				fmt.Fprintf(t.out, "applied %s\n", name)
			}
			fmt.Fprintf(t.out, "%s: up to date\n", opened.Address())
			return nil
		},
	}
}
