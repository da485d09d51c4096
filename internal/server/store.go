package server

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"gatehouse/config/settings"
	"gatehouse/internal/hint"
	"gatehouse/store"
)

// How long a start waits for the database.
const (
	startStoreWait  = 30 * time.Second
	waitLogInterval = 5 * time.Second // between two lines about the wait
)

// OpenStore opens the store of the settings and waits for it. It updates the
// schema, or only checks it with GATEWAY_MIGRATE=off. It returns the names of
// the migrations that it applied. It logs while it waits.
func OpenStore(ctx context.Context, s settings.Settings, wait time.Duration, log *slog.Logger) (store.Store, []string, error) {
	return openStoreWith(ctx, s, store.Options{}, wait, log)
}

// openStoreWith is OpenStore with options that the settings do not have.
func openStoreWith(
	ctx context.Context, s settings.Settings, options store.Options, wait time.Duration, log *slog.Logger,
) (store.Store, []string, error) {
	options.FeedURL = s.FeedDatabaseURL.Reveal()
	opened, err := store.Open(ctx, s.DatabaseURL.Reveal(), options)
	if err != nil {
		return nil, nil, withDatabaseHint(err, s)
	}
	applied, err := prepareStore(ctx, opened, s, wait, log)
	if err != nil {
		_ = opened.Close()
		return nil, nil, withDatabaseHint(err, s)
	}
	return opened, applied, nil
}

// withDatabaseHint adds a hint with the setting of the database, unless the
// error has a hint.
func withDatabaseHint(err error, s settings.Settings) error {
	switch {
	case hint.Of(err) != "":
		return err
	case strings.HasPrefix(s.DatabaseURL.Reveal(), "sqlite:"):
		return hint.With(err, "GATEWAY_DATABASE_URL names the file; without it, it is gatehouse.db in the working directory")
	}
	return hint.With(err, "GATEWAY_DATABASE_URL, or GATEWAY_POSTGRES_*, names the database")
}

// loggingStore logs failed attempts to reach the store, at intervals.
type loggingStore struct {
	store.Store
	log      *slog.Logger
	loggedAt time.Time
}

func (s *loggingStore) Ping(ctx context.Context) error {
	err := s.Store.Ping(ctx)
	if err != nil && ctx.Err() == nil && time.Since(s.loggedAt) > waitLogInterval {
		s.loggedAt = time.Now()
		s.log.WarnContext(ctx, "waiting for the store", "address", s.Address(), "error", err.Error())
	}
	return err
}

func prepareStore(ctx context.Context, opened store.Store, s settings.Settings, wait time.Duration, log *slog.Logger) ([]string, error) {
	if err := store.WaitReady(ctx, &loggingStore{Store: opened, log: log}, wait); err != nil {
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

// TwinsHint says what to do about users with equal e-mails. The gateway changes
// nothing by itself, because only people know who owns which account.
const TwinsHint = "each of them can log in only with the e-mail exactly as it is stored; " +
	"keep one of them and delete the other, or give it another e-mail"

// maxTwinsLogged is how many groups of equal e-mails the log lists.
const maxTwinsLogged = 10

// warnOfTwins logs users whose e-mails are different forms of one e-mail.
func warnOfTwins(ctx context.Context, users store.Store, log *slog.Logger) {
	twins, err := users.EmailTwins(ctx)
	if err != nil {
		log.WarnContext(ctx, "e-mails in different forms cannot be searched", "error", err.Error())
	}
	for _, group := range twins[:min(len(twins), maxTwinsLogged)] {
		log.WarnContext(ctx, "users have the same e-mail in different forms", "emails", QuoteEmails(group), "hint", TwinsHint, "groups", len(twins))
	}
}

// QuoteEmails quotes e-mails so that different forms look different.
func QuoteEmails(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = strconv.QuoteToASCII(text)
	}
	return strings.Join(quoted, ", ")
}
