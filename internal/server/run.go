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

	"github.com/coreos/go-systemd/v22/daemon"

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
	"gatehouse/proxy/backend"
	"gatehouse/proxy/upstream"
	"gatehouse/store"
)

// How long the gateway waits for the keys of other issuers: before it is ready
// after a start, and in a reload that adds an issuer.
const (
	startIssuerWait  = 30 * time.Second
	reloadIssuerWait = 5 * time.Second
)

// Options configure one run of a gateway.
type Options struct {
	// File is the path of the route table.
	File string
	// Lookup returns the settings and the variables of the table.
	Lookup settings.Lookup
	// ReadEnvironment reads the environment again, for a reload; nil means
	// Lookup.
	ReadEnvironment func() (settings.Lookup, error)
	// Process returns the variables of the Go runtime.
	Process settings.Lookup
	// Environ lists the names of set variables, to find misspelt settings.
	Environ []string
	// Output receives the log, and the problems of an invalid table.
	Output io.Writer
	// Version is the version of the build, for the log and the metrics.
	Version string
	// Ready, if set, is called with the addresses when the gateway answers
	// requests.
	Ready func(public, operators net.Addr)

	// StoreWait is how long a start waits for the database; 0 means
	// startStoreWait.
	StoreWait time.Duration
	// StoreTimeout bounds a query to the database. RevalidateAge is the age at
	// which users are read again. 0 means the default.
	StoreTimeout, RevalidateAge time.Duration
	// IssuerWait and ReloadIssuerWait are how long a start and a reload wait
	// for the keys of issuers; 0 means startIssuerWait and reloadIssuerWait.
	IssuerWait, ReloadIssuerWait time.Duration
}

// ErrInvalidTable means that the table cannot be served. Its problems were
// written to Options.Output.
var ErrInvalidTable = errors.New("the route table is invalid")

// Run starts a gateway, serves until SIGTERM, SIGINT or the end of the context,
// and stops gracefully. A second signal ends the process at once. In each case
// the log is complete. Only SIGKILL and an unrecovered panic lose access lines,
// those of the last 100 milliseconds.
func Run(ctx context.Context, options Options) error {
	g := &gateway{Options: options}
	return g.run(ctx)
}

// gateway is one run, from its settings to its last request.
type gateway struct {
	Options

	settings settings.Settings
	sources  config.Sources // the files of the first table
	logLines *ops.LogWriter // nil before the settings are known
	log      *slog.Logger
	access   proxy.AccessLog
	health   *ops.Health
	parts    parts
	files    *watch.Files   // follows every file of this run
	requests *atomic.Uint64 // the number of requests so far; passwords are compared between requests

	certificates *certificates
}

// run implements Run.
func (g *gateway) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ignored := signal.Ignored(syscall.SIGINT) // a shell without job control makes its background commands ignore it
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer func() {
		signal.Stop(signals)
		close(signals)
	}()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // from now on: SIGHUP would end the process while it waits for the store
	defer signal.Stop(hangups)
	defer g.flushLog() // last: the caller may print the error next

	cfg, err := g.configure()
	if err != nil {
		return err
	}
	go g.handleSignals(signals, ignored, stop)
	go g.files.Run(ctx)
	go g.certificates.watch(ctx)
	defer g.parts.keySources.Close()
	defer g.parts.backends.Activate(backend.Set{}) // stops health checks and lookups
	handler := proxy.NewGateway(g.options(cfg))
	listeners, err := g.listen(handler)
	if err != nil {
		return err
	}
	defer listeners.close()

	// The operators' listener answers while the gateway waits for the store.
	reloader := &reloader{
		file: g.File, lookup: g.environment, notify: g.notifyReload, parts: &g.parts, gateway: handler, files: g.files, log: g.log,
		onSwap: g.certificates.setPresented, issuerWait: cmp.Or(g.ReloadIssuerWait, reloadIssuerWait),
	}
	listeners.serveOperators(ops.Handler(ops.HandlerOptions{
		Metrics: g.parts.metrics, Health: g.health, Gateway: handler, Reload: reloader.onRequest,
		Backends: g.parts.backends.Live, Token: g.settings.OpsToken.Reveal(),
	}))
	if !cfg.Users.Off {
		if err := g.openStore(ctx); ctx.Err() != nil {
			return nil // stopped while waiting: not an error of the store
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
	debug.FreeOSMemory() // frees the memory for reading the table, which is five times its size

	reloader.follow(g.sources)
	reloader.applied(g.sources)
	go reloader.reloadOnHangup(ctx, hangups)
	listeners.servePublic()
	g.logServing(cfg, listeners)
	g.notify(daemon.SdNotifyReady)
	if g.Ready != nil {
		g.flushLog()
		g.Ready(listeners.public[0].Addr(), listeners.operators.Addr())
	}
	return g.waitAndDrain(ctx, listeners, handler)
}

// serveFirst serves the first table. The files of the table are followed before
// they are read. An edit in between waits until the table is served.
func (g *gateway) serveFirst(r *reloader, cfg *config.Config) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	g.followKeys(func(ctx context.Context) error { return r.renewKeys(ctx, g.readKeys) })
	r.followTable(cfg)
	if err := g.followSecretKeys(); err != nil {
		return err
	}
	ring, err := g.readKeys()
	if err != nil {
		return err
	}
	g.parts.keys = ring
	first, err := g.parts.compile(cfg)
	if err != nil {
		g.flushLog() // the problems go to the same output
		return g.writeProblems(fmt.Errorf("%s: %w", g.File, err))
	}
	g.parts.swap(r.gateway, first)
	g.certificates.setPresented(first.table)
	g.health.TableServed()
	return nil
}

// writeProblems writes every problem of a table, with its place, and returns
// ErrInvalidTable. It returns any other error unchanged.
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

// environment returns the current variables of a table, because .env may have
// been edited since the last reload.
func (g *gateway) environment() (settings.Lookup, error) {
	if g.ReadEnvironment == nil {
		return g.Lookup, nil
	}
	return g.ReadEnvironment()
}

// handleSignals stops the gateway at the first signal. At the second signal it
// writes the log and lets that signal end the process. If SIGINT was ignored
// when the process began, it would be ignored again; then the process ends by
// SIGTERM.
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

// configure reads settings and table, reports every problem of both, and makes
// everything that needs no connection.
func (g *gateway) configure() (*config.Config, error) {
	loaded, settingsErr := settings.Load(g.Lookup)
	if settingsErr == nil {
		settingsErr = loaded.CheckSigning()
	}
	cfg, sources, tableErr := config.LoadSources(g.File, g.Lookup, lint.Check)
	g.sources = sources
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
		transports: upstream.NewPool(upstream.PoolOptions{
			MaxConns: loaded.MaxConnections, MaxIdle: loaded.MaxKeepaliveConnections,
			Standard:    loaded.Transport == settings.TransportStandard,
			IdleTimeout: loaded.BackendIdleTimeout, MaxAge: loaded.MaxConnectionAge,
			Control: divideDescriptors().Control,
		}),
	}
	g.parts.backends = backend.NewRegistry(backend.Options{
		Log: g.log, Metrics: g.parts.metrics, StreamTime: loaded.ShutdownTimeout,
		Left: func(at backend.Address) { g.parts.transports.CloseIdle(at.Scheme, at.Host) },
	})
	g.parts.metrics.WatchBackends(g.parts.backends.Live)
	g.health.WatchBackends(g.parts.backends.Live)
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
	options := proxy.Options{Log: g.log, Access: g.access, Metrics: g.parts.metrics, Transports: g.parts.transports, Backends: g.parts.backends, Descriptors: divideDescriptors()}
	if !cfg.Users.Off {
		options.StoreHealth = g.health.Store
		options.Requests = g.requests
	}
	return options
}

// openStore waits for the database, up to the limit of a start.
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

// followUsers keeps users' states in memory while requests are served. Call
// stop after the drain.
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

// logSettings logs the settings that differ from the defaults (for debugging,
// all settings), without secrets, and the warnings about settings and table.
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

// logFlushTimeout bounds how long the end of a run waits for a log that nobody
// reads.
const logFlushTimeout = time.Second

// logServing logs what is served, and where.
func (g *gateway) logServing(cfg *config.Config, l *listeners) {
	said := []any{
		"routes", len(cfg.Routes), "config", cfg.File, "hash", cfg.Hash, "version", g.Version,
		"listen", addresses(l.public), "ops_listen", l.operators.Addr().String(),
	}
	if len(l.redirect) > 0 {
		said = append(said, "redirect_listen", addresses(l.redirect))
	}
	g.log.Info("serving", said...)
}

// openLog opens the log, as JSON lines or as text for people. Access lines are
// collected for a moment, because there may be many. All other lines are
// written at once.
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

// flushLog waits until everything that was logged is written.
func (g *gateway) flushLog() {
	if g.logLines != nil {
		g.logLines.Flush(logFlushTimeout)
	}
}
