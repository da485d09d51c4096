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
	"gatehouse/config"
	"gatehouse/config/settings"
	"gatehouse/store"
)

// witnessPatience is how long `explain` waits for what it asks.
const witnessPatience = 10 * time.Second

// witness answers for the caller of a token as a running gateway would: with its
// keys, those of the token's issuer, and the state of the user as of now.
type witness struct {
	gate    *auth.Gate
	sources *auth.KeySources
	users   store.Store // nil without one
	notes   []string    // what could not be asked
}

func newWitness(ctx context.Context, t terminal, cfg *config.Config, token string) (*witness, error) {
	s, err := t.settings()
	if err != nil {
		return nil, err
	}
	if err := s.CheckSigning(); err != nil {
		return nil, err
	}
	keys, err := signingKeys(s)
	if err != nil {
		return nil, err
	}
	w := &witness{sources: auth.NewKeySources(auth.KeySourcesOptions{Log: quiet(), Now: time.Now})}
	verifier := auth.NewVerifier(keys, w.readKeys(ctx, cfg, token), time.Now)
	if cfg.Users.Off {
		w.gate = auth.NewGate(verifier, nil)
		return w, nil
	}
	if err := w.openUsers(ctx, s); err != nil {
		w.notes = append(w.notes, "the store was not asked for the user, whose state and role may change the verdict: "+err.Error())
		w.gate = auth.NewGate(verifier, nil)
		return w, nil
	}
	w.gate = auth.NewGate(verifier, auth.StoredUsers{Store: w.users})
	return w, nil
}

// readKeys reads the keys of the issuer that the token names, of no other.
func (w *witness) readKeys(ctx context.Context, cfg *config.Config, token string) *auth.Issuers {
	claims := jwt.MapClaims{}
	_, _, _ = jwt.NewParser().ParseUnverified(token, claims) // the gate says what is wrong with it
	name, _ := claims["iss"].(string)
	named := slices.DeleteFunc(slices.Clone(cfg.Tokens), func(issuer config.Issuer) bool { return issuer.Issuer != name })
	issuers := w.sources.Issuers(named)
	ctx, cancel := context.WithTimeout(ctx, witnessPatience)
	defer cancel()
	w.sources.Begin(ctx, issuers)
	w.sources.Adopt(issuers)
	for _, state := range w.sources.States() {
		if state.Keys == 0 {
			why := "they are still being read"
			if state.Problem != nil {
				why = state.Problem.Error()
			}
			w.notes = append(w.notes, fmt.Sprintf("the keys of issuer %s cannot be read from here, which a gateway may have: %s", strconv.Quote(state.Issuer), why))
		}
	}
	return issuers
}

// openUsers opens the store as it is: it makes none, and changes nothing in it.
func (w *witness) openUsers(ctx context.Context, s settings.Settings) error {
	if path, isFile := strings.CutPrefix(s.DatabaseURL.Reveal(), "sqlite:"); isFile {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	s.Migrate = false
	opened, _, err := openStore(ctx, s, commandStoreWait, quiet())
	if err != nil {
		return err
	}
	w.users = opened
	return nil
}

func (w *witness) close() {
	w.sources.Close()
	if w.users != nil {
		_ = w.users.Close()
	}
}
