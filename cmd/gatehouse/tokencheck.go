package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/auth"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/config/settings"
	"gatehouse/internal/server"
	"gatehouse/store"
)

// tokenCheckTimeout bounds how long `explain` waits for keys and the store.
const tokenCheckTimeout = 10 * time.Second

// tokenChecker checks a caller's token as a running gateway would: with its
// keys, the keys of the token's issuer, and the current state of the user.
type tokenChecker struct {
	gate    auth.Decider
	sources *keys.Sources
	users   store.Store // nil without a store
	notes   []string    // what could not be asked
}

func newTokenChecker(ctx context.Context, t terminal, cfg *config.Config, token string) (*tokenChecker, error) {
	s, err := t.settings()
	if err != nil {
		return nil, err
	}
	if err := s.CheckSigning(); err != nil {
		return nil, err
	}
	ring, err := server.SigningKeys(s)
	if err != nil {
		return nil, err
	}
	c := &tokenChecker{sources: keys.NewSources(keys.SourcesOptions{Log: discardLog(), Now: time.Now})}
	verifier := auth.NewVerifier(ring, c.readKeys(ctx, cfg, token), time.Now).Keeping(auth.ClaimsOf(cfg))
	if cfg.Users.Off {
		c.gate = auth.NewGate(verifier, nil)
		return c, nil
	}
	if err := c.openUsers(ctx, s); err != nil {
		c.notes = append(c.notes, "the store could not be asked for the user, whose state and role may change the verdict: "+err.Error())
		c.gate = auth.WithoutUsers{Gate: auth.NewGate(verifier, nil), Cause: err}
		return c, nil
	}
	c.gate = auth.NewGate(verifier, auth.StoredUsers{Store: c.users})
	return c, nil
}

// readKeys reads the keys of the issuer that the token names, and of no other.
func (c *tokenChecker) readKeys(ctx context.Context, cfg *config.Config, token string) *keys.Issuers {
	claims := jwt.MapClaims{}
	_, _, _ = jwt.NewParser().ParseUnverified(token, claims) // the gate reports what is wrong with the token
	name, _ := claims["iss"].(string)
	named := slices.DeleteFunc(slices.Clone(cfg.Tokens), func(issuer config.Issuer) bool { return issuer.Issuer != name })
	issuers := c.sources.Issuers(named)
	ctx, cancel := context.WithTimeout(ctx, tokenCheckTimeout)
	defer cancel()
	c.sources.Begin(ctx, issuers)
	c.sources.Activate(issuers)
	for _, state := range c.sources.States() {
		if state.Keys == 0 {
			why := "they are still being read"
			if state.Problem != nil {
				why = state.Problem.Error()
			}
			c.notes = append(c.notes, fmt.Sprintf("the keys of issuer %s cannot be read from here; a running gateway may have them: %s", strconv.Quote(state.Issuer), why))
		}
	}
	return issuers
}

// openUsers opens the store without creating or changing anything.
func (c *tokenChecker) openUsers(ctx context.Context, s settings.Settings) error {
	if path, isFile := strings.CutPrefix(s.DatabaseURL.Reveal(), "sqlite:"); isFile {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	s.Migrate = false
	opened, _, err := server.OpenStore(ctx, s, commandStoreWait, discardLog())
	if err != nil {
		return err
	}
	c.users = opened
	return nil
}

func (c *tokenChecker) close() {
	c.sources.Close()
	if c.users != nil {
		_ = c.users.Close()
	}
}
