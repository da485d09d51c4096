package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/account"
	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/config/lint"
	"gatehouse/config/problem"
	"gatehouse/config/settings"
	"gatehouse/config/watch"
	"gatehouse/ops"
	"gatehouse/proxy"
	"gatehouse/store"
)

// How long the keys of other issuers are waited for: by readiness after a start,
// and by a reload that adds an issuer.
const (
	startIssuerWait  = 30 * time.Second
	reloadIssuerWait = 5 * time.Second
)

// Options are what one run of a gateway depends on.
type Options struct {
	// File is the route table.
	File string
	// Lookup finds the settings and the variables of the table.
	Lookup settings.Lookup
	// ReadEnvironment reads the environment anew, for a reload; nil goes on with Lookup.
	ReadEnvironment func() (settings.Lookup, error)
	// Process finds the variables that the Go runtime goes by.
	Process settings.Lookup
	// Environ are names that are set, to find misspelt settings.
	Environ []string
	// Output is where the log is written, and the problems of a table that cannot
	// be served.
	Output io.Writer
	// Version is that of the build, for the log and the metrics.
	Version string
	// Ready, if set, is called with the addresses once requests are answered.
	Ready func(public, operators net.Addr)

	// StoreWait is how long the database may take to appear; 0 is startStoreWait.
	StoreWait time.Duration
	// StoreTimeout is how long a question to the database may take, and RevalidateAge
	// when users are read again of whom nothing was heard; 0 is the usual.
	StoreTimeout, RevalidateAge time.Duration
	// IssuerWait and ReloadIssuerWait are how long a start and a reload wait for
	// the keys of issuers; 0 is startIssuerWait and reloadIssuerWait.
	IssuerWait, ReloadIssuerWait time.Duration
}

// ErrInvalidTable says that the table cannot be served. Its problems have been
// written to Options.Output.
var ErrInvalidTable = errors.New("the route table is invalid")

// Run starts a gateway, serves until SIGTERM, SIGINT or the context's end, and
// stops gracefully. A second signal ends the process at once. Either way the log
// is whole; what kills the process by itself, SIGKILL or a panic that nobody
// recovers, costs the access lines of the last 100 milliseconds.
func Run(ctx context.Context, options Options) error {
	g := &gateway{Options: options}
	return g.run(ctx)
}

// gateway is one run, from its settings to its last request.
type gateway struct {
	Options

	settings settings.Settings
	logLines *ops.LogWriter // nil before the settings are known
	log      *slog.Logger
	access   proxy.AccessLog
	health   *ops.Health
	parts    parts
	files    *watch.Files   // every file that this run goes by
	requests *atomic.Uint64 // how many have come; passwords are compared in their gaps

	certificates *certificates
}

// run is Run.
func (g *gateway) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ignored := signal.Ignored(syscall.SIGINT) // a shell without job control has its background commands ignore it
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer func() {
		signal.Stop(signals)
		close(signals)
	}()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // from now on: it would end the process while the store is awaited
	defer signal.Stop(hangups)
	defer g.flushLog() // the last thing: whoever started this may tell the error next

	cfg, err := g.configure()
	if err != nil {
		return err
	}
	go g.handleSignals(signals, ignored, stop)
	go g.files.Run(ctx)
	go g.certificates.watch(ctx)
	defer g.parts.keySources.Close()
	handler := proxy.NewGateway(g.options(cfg))
	listeners, err := g.listen(handler)
	if err != nil {
		return err
	}
	defer listeners.close()

	// The operators' listener answers while the store is awaited.
	reloader := &reloader{
		file: g.File, lookup: g.environment, parts: &g.parts, gateway: handler, files: g.files, log: g.log,
		onSwap: g.certificates.setPresented, issuerWait: cmp.Or(g.ReloadIssuerWait, reloadIssuerWait),
	}
	listeners.serveOperators(ops.Handler(g.parts.metrics, g.health, handler, reloader.onRequest))
	if !cfg.Users.Off {
		if err := g.openStore(ctx); ctx.Err() != nil {
			return nil // stopped while waiting: not the store's fault
		} else if err != nil {
			return err
		}
		defer g.parts.store.Close()
		unfollow := g.followUsers()
		defer unfollow()
		go g.health.WatchStore(ctx, g.parts.store.CheckWritable, g.parts.metrics, g.log)
	}
	if err := g.serveFirst(reloader, cfg); err != nil {
		return err
	}
	debug.FreeOSMemory() // of reading the table, which takes five times the table

	reloader.follow(cfg.Hash)
	go reloader.reloadOnHangup(ctx, hangups)
	listeners.servePublic()
	g.log.Info("serving", "routes", len(cfg.Routes), "config", cfg.File, "hash", cfg.Hash, "version", g.Version,
		"listen", listeners.public.Addr().String(), "ops_listen", listeners.operators.Addr().String())
	if g.Ready != nil {
		g.flushLog()
		g.Ready(listeners.public.Addr(), listeners.operators.Addr())
	}
	return g.waitAndDrain(ctx, listeners, handler)
}

// serveFirst serves the first table. What it is made of is followed before it is
// read; an edit in between waits for the table that it makes anew.
func (g *gateway) serveFirst(r *reloader, cfg *config.Config) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	g.followKeys(func(ctx context.Context) error { return r.renewKeys(ctx, g.readKeys) })
	r.followTable(cfg)
	ring, err := g.readKeys()
	if err != nil {
		return err
	}
	g.parts.keys = ring
	first, err := g.parts.compile(cfg)
	if err != nil {
		g.flushLog() // the problems go to the same place
		return g.writeProblems(fmt.Errorf("%s: %w", g.File, err))
	}
	g.parts.swap(r.gateway, first)
	g.certificates.setPresented(first.table)
	g.health.TableServed()
	return nil
}

// writeProblems writes every problem of a table, with its place, and returns
// ErrInvalidTable. Any other error it returns as it is.
func (g *gateway) writeProblems(err error) error {
	var problems problem.List
	if !errors.As(err, &problems) {
		return err
	}
	if _, err := problems.WriteTo(g.Output); err != nil {
		return err
	}
	return ErrInvalidTable
}

// environment is what the variables of a table are, now: .env may have been
// edited since the last reload.
func (g *gateway) environment() (settings.Lookup, error) {
	if g.ReadEnvironment == nil {
		return g.Lookup, nil
	}
	return g.ReadEnvironment()
}

// handleSignals stops the gateway at the first signal. At the second the process ends by
// it, as it would have by itself, but with its log written. Where SIGINT was ignored when
// the process began, it would be again: then the process ends by SIGTERM.
func (g *gateway) handleSignals(signals <-chan os.Signal, interruptIgnored bool, stop func()) {
	if _, ok := <-signals; !ok {
		return
	}
	stop()
	again, ok := <-signals
	if !ok {
		return
	}
	g.flushLog()
	if again == syscall.SIGINT && interruptIgnored {
		again = syscall.SIGTERM
	}
	signal.Reset(again)
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Signal(again)
	}
}

// configure reads settings and table, says every problem of both, and makes
// what does not depend on a connection.
func (g *gateway) configure() (*config.Config, error) {
	loaded, settingsErr := settings.Load(g.Lookup)
	if settingsErr == nil {
		settingsErr = loaded.CheckSigning()
	}
	cfg, tableErr := config.Load(g.File, g.Lookup, lint.Check)
	if tableErr != nil {
		tableErr = g.writeProblems(tableErr)
	}
	if err := errors.Join(settingsErr, tableErr); err != nil {
		if settingsErr == nil {
			return nil, tableErr
		}
		return nil, settingsErr
	}
	g.settings = loaded
	g.openLog()
	g.logSettings(cfg)
	g.files, g.certificates = newFiles(g.log), newCertificates(g.log)
	setMemory(g.Process, g.log)
	logDescriptors(g.log, cfg)

	ring, err := SigningKeys(loaded)
	if err != nil {
		return nil, err
	}
	g.health = new(ops.Health)
	g.parts = parts{
		settings:   loaded,
		keys:       ring,
		keySources: keys.NewSources(keys.SourcesOptions{Log: g.log, Now: time.Now, ReadFile: g.files.Read}),
		metrics:    ops.NewMetrics(g.Version),
		log:        g.log,
		transports: proxy.NewTransports(proxy.TransportOptions{
			MaxConns: loaded.MaxConnections, MaxIdle: loaded.MaxKeepaliveConnections,
			Standard:    loaded.Transport == settings.TransportStandard,
			IdleTimeout: loaded.BackendIdleTimeout, MaxAge: loaded.MaxConnectionAge,
			Descriptors: divideDescriptors(),
		}),
	}
	g.parts.metrics.WatchLog(g.logLines)
	g.parts.metrics.WatchCertificates(g.certificates.expiries)
	g.parts.metrics.WatchIssuers(g.parts.keySources.States)
	g.health.AwaitIssuers(g.parts.keySources.States, cmp.Or(g.IssuerWait, startIssuerWait))
	if !cfg.Users.Off {
		g.health.NeedStore()
		g.requests = new(atomic.Uint64)
		g.parts.metrics.WatchStore()
		if g.parts.passwords, err = account.NewPasswords(loaded.BcryptCost, g.requests.Load); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

func (g *gateway) options(cfg *config.Config) proxy.Options {
	options := proxy.Options{Log: g.log, Access: g.access, Metrics: g.parts.metrics, Transports: g.parts.transports, Descriptors: divideDescriptors()}
	if !cfg.Users.Off {
		options.StoreHealth = g.health.Store
		options.Requests = g.requests
	}
	return options
}

// openStore waits for the database as long as a start may take.
func (g *gateway) openStore(ctx context.Context) error {
	started := time.Now()
	opened, applied, err := openStoreWith(ctx, g.settings, store.Options{StatementTimeout: g.StoreTimeout}, cmp.Or(g.StoreWait, startStoreWait), g.log)
	if err != nil {
		return err
	}
	g.parts.store = opened
	g.health.StoreAnswered(nil)
	g.parts.metrics.StoreUp(true)
	g.log.Info("store reached", "address", opened.Address(), "migrations_applied", applied,
		"waited_ms", time.Since(started).Milliseconds())
	warnOfTwins(ctx, opened, g.log)
	return nil
}

// followUsers keeps in memory what requests have to know of users, as long as
// there are requests: stop comes after the drain.
func (g *gateway) followUsers() (stop func()) {
	g.parts.users = auth.NewCachedUsers(auth.CachedUsersOptions{
		Users:         auth.StoredUsers{Store: g.parts.store},
		LookupTimeout: g.StoreTimeout,
		RevalidateAge: g.RevalidateAge,
		Feed: func(lost error) {
			g.health.UserFeed(lost)
			g.parts.metrics.UserFeed(lost == nil)
		},
		Log: g.log,
		Now: time.Now,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { g.parts.store.Follow(ctx, g.parts.users) })
	working.Go(func() { g.parts.users.Revalidate(ctx) })
	return func() {
		cancel()
		working.Wait()
	}
}

// logSettings logs what this run goes by: the settings that are not as by
// default (for debugging, all of them), never a secret, and the warnings about
// settings and table.
func (g *gateway) logSettings(cfg *config.Config) {
	shown := g.settings.Changed()
	if g.settings.LogLevel <= slog.LevelDebug {
		shown = g.settings.Attrs()
	}
	g.log.Info("settings", slog.GroupAttrs("settings", shown...))
	for _, warning := range slices.Concat(g.settings.Warnings, settings.Unknown(g.Environ)) {
		g.log.Warn("setting", "problem", warning.Error())
	}
	for _, warning := range cfg.Warnings {
		g.log.Warn("route table", "problem", warning.Error())
	}
}

// logFlushTimeout is how long the end of a run waits for a log that nobody reads.
const logFlushTimeout = time.Second

// openLog writes JSON lines, or text for people. Access lines are gathered for
// a moment, as there may be many; all others are written at once.
func (g *gateway) openLog() {
	options := &slog.HandlerOptions{Level: g.settings.LogLevel}
	if g.settings.LogFormat == settings.LogText {
		text := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
		g.logLines = ops.NewLogWriter(g.Output, text)
		g.log, g.access = slog.New(text(g.logLines.Unbuffered())), proxy.AccessThrough(text(g.logLines))
		return
	}
	lines := func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	g.logLines = ops.NewLogWriter(g.Output, lines)
	g.log, g.access = slog.New(lines(g.logLines.Unbuffered())), ops.NewAccessLog(g.logLines)
}

// flushLog waits until what was logged is written.
func (g *gateway) flushLog() {
	if g.logLines != nil {
		g.logLines.Flush(logFlushTimeout)
	}
}
