package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"gatehouse/config"
	"gatehouse/config/lint"
	"gatehouse/config/problem"
	"gatehouse/config/settings"
	"gatehouse/config/watch"
	"gatehouse/proxy"
	"gatehouse/proxy/explain"
)

// reloader replaces the table of a running gateway. It runs one reload at a
// time; others wait.
type reloader struct {
	file    string
	lookup  func() (settings.Lookup, error) // reads the current environment, since .env may have changed; nil means empty
	parts   *parts
	gateway *proxy.Gateway
	files   *watch.Files // nil follows nothing
	log     *slog.Logger
	// onSwap is called with each table that is swapped in.
	onSwap func(*proxy.Table)
	// notify reports to systemd that a reload begins; what it returns, that the
	// reload has ended. It may be nil.
	notify func() (ended func())
	// issuerWait is how long a reload waits for the keys of new issuers.
	issuerWait time.Duration

	keyFiles []string       // of issuers; these are followed
	sources  config.Sources // the files of the table that was read last

	mu      sync.Mutex
	refused bool // the last table that was read was refused
}

// reload performs the steps of a new configuration: load, compile, test, swap.
// Any error stops it before the swap, and the last good table is still served.
func (r *reloader) reload(ctx context.Context, trigger string) (explain.Diff, problem.List, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer debug.FreeOSMemory() // frees the old table, and the memory for reading the new one, which is five times its size
	began := time.Now()
	next, err := r.next()
	if err != nil {
		r.refuse(ctx, trigger, err)
		return explain.Diff{}, nil, err
	}
	before := r.gateway.Table()
	r.awaitKeys(ctx, next)
	r.parts.swap(r.gateway, next)
	r.refused = false
	r.swapped(next.table)
	diff := explain.Compare(before, next.table)
	r.log.LogAttrs(ctx, slog.LevelInfo, "route table reloaded", slog.String("trigger", trigger),
		slog.Int("routes", len(next.table.Config().Routes)), slog.String("hash", next.table.Config().Hash),
		slog.Float64("duration_ms", float64(time.Since(began).Microseconds())/1000),
		slog.Any("weaker", diff.Weaker), slog.Any("added", diff.Added),
		slog.Any("removed", diff.Removed), slog.Any("changed", diff.Changed))
	warnings := next.table.Config().Warnings
	logProblems(ctx, r.log, slog.LevelWarn, warnings)
	return diff, warnings, nil
}

// refuse counts and logs a refused table.
func (r *reloader) refuse(ctx context.Context, trigger string, err error) {
	r.refused = true
	r.parts.metrics.TableRefused()
	r.logRefusal(ctx, trigger, err)
}

// awaitKeys reads the keys of a table's new issuers before the table is served,
// so that their first tokens are not answered 503. An issuer that does not
// answer delays the reload for a moment. Then /readyz reports it.
func (r *reloader) awaitKeys(ctx context.Context, next snapshot) {
	ctx, cancel := context.WithTimeout(ctx, r.issuerWait)
	defer cancel()
	r.parts.keySources.Begin(ctx, next.issuers)
}

// onRequest serves POST /-/reload.
func (r *reloader) onRequest(ctx context.Context) (explain.Diff, problem.List, error) {
	if r.gateway.Table() == nil {
		return explain.Diff{}, nil, errors.New("the gateway is still starting: it has no route table yet")
	}
	return r.reloadAll(ctx, "request")
}

// reloadAll loads everything that has changed, without waiting until a file is
// complete: first the other files of settings and table, then the table itself.
func (r *reloader) reloadAll(ctx context.Context, trigger string) (explain.Diff, problem.List, error) {
	unusable := r.files.ApplyNow(ctx, tableFile)
	diff, warnings, err := r.reload(ctx, trigger)
	for _, one := range unusable {
		warnings = append(slices.Clone(warnings), problem.Problem{
			Severity: problem.SeverityWarning, Message: one.Error() + ": the old content stays in use",
		})
	}
	return diff, warnings, err
}

// next compiles the snapshot that may replace the live one. A panic while it
// reads the table counts as a bad table: the gateway goes on.
func (r *reloader) next() (made snapshot, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("read the route table: internal error: %v", panicked)
			r.log.Error("reading the route table panicked", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
		}
	}()
	var lookup settings.Lookup
	if r.lookup != nil {
		if lookup, err = r.lookup(); err != nil {
			return snapshot{}, err
		}
	}
	cfg, sources, err := config.LoadSources(r.file, lookup, lint.Check)
	r.sources = sources
	r.follow(sources) // also those of a refused table: one of them may be the reason
	if err != nil {
		return snapshot{}, err
	}
	r.followTable(r.gateway.Table().Config(), cfg)
	if live := r.gateway.Table().Config(); live.Users.Off != cfg.Users.Off {
		return snapshot{}, problem.List{{
			Position: problem.Position{File: r.file},
			Message:  "users cannot be switched on or off while the gateway runs: the store is opened at its start",
			Hint:     "restart the gateway to change `users: off`",
		}}
	}
	return r.parts.compile(cfg)
}

// logRefusal logs every problem on its own line, because logs are searched by
// line.
func (r *reloader) logRefusal(ctx context.Context, trigger string, err error) {
	var problems problem.List
	if !errors.As(err, &problems) {
		problems = problem.List{{Message: err.Error()}}
	}
	r.log.LogAttrs(ctx, slog.LevelError, "route table refused: the last good one goes on serving",
		slog.String("trigger", trigger), slog.Int("problems", len(problems.Errors())))
	logProblems(ctx, r.log, slog.LevelError, problems)
}

// maxLoggedProblems bounds the problems of one table in the log; `check` prints
// all of them.
const maxLoggedProblems = 20

func logProblems(ctx context.Context, log *slog.Logger, level slog.Level, problems problem.List) {
	for i, problem := range problems {
		if i == maxLoggedProblems {
			log.LogAttrs(ctx, level, "route table has more problems", slog.Int("not_shown", len(problems)-i))
			return
		}
		log.LogAttrs(ctx, level, "route table problem", slog.String("problem", problem.Error()))
	}
}
