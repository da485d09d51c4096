package server

import (
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/auth/account"
	"gatehouse/auth/basic"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/config/settings"
	"gatehouse/ops"
	"gatehouse/proxy"
	"gatehouse/proxy/backend"
	"gatehouse/proxy/explain"
	"gatehouse/proxy/upstream"
	"gatehouse/store"
)

// parts has everything that every table of a running gateway is compiled with.
// It is made once, at the start.
type parts struct {
	settings   settings.Settings
	keys       keys.Ring
	keySources *keys.Sources
	store      store.Store        // nil with `users: off`
	users      *auth.CachedUsers  // nil with `users: off`
	passwords  *account.Passwords // of users; nil with `users: off`
	checker    *basic.Checker     // of routes with `basic`; nil before the first table with one
	metrics    *ops.Metrics
	transports *upstream.Pool
	backends   *backend.Registry
	log        *slog.Logger
}

// snapshot is a compiled configuration, with everything that is swapped in
// together.
type snapshot struct {
	table   *proxy.Table
	issuers *keys.Issuers
}

// compile compiles a configuration into a snapshot that passes its own tests.
// It changes nothing live.
func (p *parts) compile(cfg *config.Config) (snapshot, error) {
	if unsigned := cfg.NeedsSecretKeys(); p.settings.SecretKeysFile == "" && len(unsigned) > 0 {
		return snapshot{}, unsigned
	}
	issuers := p.keySources.Issuers(cfg.Tokens)
	table, err := p.build(cfg, auth.NewVerifier(p.keys, issuers, time.Now).Keeping(auth.ClaimsOf(cfg)))
	if err != nil {
		return snapshot{}, err
	}
	if endless := explain.Loops(table).Errors(); len(endless) > 0 {
		return snapshot{}, endless
	}
	if unmet := explain.Failures(table); len(unmet) > 0 {
		return snapshot{}, unmet
	}
	return snapshot{table, issuers}, nil
}

// build makes a table from the gate, the built-in users and the routes.
func (p *parts) build(cfg *config.Config, verifier *auth.Verifier) (*proxy.Table, error) {
	checker, err := p.basicChecker(cfg)
	if err != nil {
		return nil, err
	}
	made := proxy.Parts{Passwords: checker, Metrics: p.metrics, Transports: p.transports, Backends: p.backends, KeySet: p.keySet()}
	if cfg.Users.Off {
		made.Gate = auth.NewGate(verifier, nil)
		return proxy.Compile(cfg, made)
	}
	made.Gate = auth.NewGate(verifier, p.users)
	made.Users = account.New(account.Options{
		Gate:             made.Gate,
		Signer:           auth.NewSigner(p.keys, p.settings.TokenTTL, time.Now),
		Store:            p.store,
		Passwords:        p.passwords,
		DefaultCompanyID: p.defaultCompany(),
		Companies:        cfg.Users.Companies,
		Join:             cfg.Users.Join,
		Changed:          p.users.Changed,
		Metrics:          p.metrics,
		Log:              p.log,
		Now:              time.Now,
	})
	return proxy.Compile(cfg, made)
}

// basicChecker returns what checks the passwords of routes with `basic`, or nil for a
// table without one. It is made once, so that a reload forgets nothing. Without a store,
// failures are counted in memory.
func (p *parts) basicChecker(cfg *config.Config) (*basic.Checker, error) {
	if p.checker != nil || !slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return r.Basic.File != "" }) {
		return p.checker, nil
	}
	passwords, attempts := p.passwords, store.NewMemoryAttempts()
	if p.store != nil {
		attempts = p.store
	}
	if passwords == nil {
		var err error
		if passwords, err = account.NewPasswords(p.settings.BcryptCost, nil); err != nil {
			return nil, err
		}
	}
	p.checker = basic.NewChecker(account.NewGuard(passwords, attempts, time.Now, p.log), time.Now)
	return p.checker, nil
}

// defaultCompany returns the company that users without one join, or nil.
func (p *parts) defaultCompany() *uuid.UUID {
	if p.settings.DefaultCompanyID == uuid.Nil {
		return nil
	}
	return &p.settings.DefaultCompanyID
}

// swap makes the snapshot of a newly read table the live one.
func (p *parts) swap(gateway *proxy.Gateway, next snapshot) {
	p.replace(gateway, next)
	p.metrics.TableServed(next.table.Config(), time.Now())
}

// replace makes a snapshot the live one.
func (p *parts) replace(gateway *proxy.Gateway, next snapshot) {
	if p.users != nil {
		p.users.SetGrace(next.table.Config().Users.Grace)
	}
	gateway.Swap(next.table)
	p.keySources.Activate(next.issuers)
}
