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
)

// reloader replaces the table of a running gateway. It takes one reload at a
// time; whatever asks for one meanwhile waits for its turn.
type reloader struct {
	file    string
	lookup  func() (settings.Lookup, error) // the environment as of now: .env may have changed; nil is empty
	parts   *parts
	gateway *proxy.Gateway
	files   *watch.Files // nil follows nothing
	log     *slog.Logger
	// onSwap is told whenever a table is swapped in.
	onSwap func(*proxy.Table)
	// issuerWait is how long a reload waits for the keys of issuers that it adds.
	issuerWait time.Duration

	keyFiles []string // of issuers, which are followed

	mu      sync.Mutex
	refused bool // the table that was read last
}

// reload is the life of a configuration: load, compile, test, swap. Any error
// stops it before the swap, and the last good table goes on serving.
func (r *reloader) reload(ctx context.Context, trigger string) (proxy.Diff, problem.List, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer debug.FreeOSMemory() // of the old table, and of reading the new one, which takes five times the new one
	began := time.Now()
	next, err := r.next()
	if err != nil {
		r.refuse(ctx, trigger, err)
		return proxy.Diff{}, nil, err
	}
	before := r.gateway.Table()
	r.awaitKeys(ctx, next)
	r.parts.swap(r.gateway, next)
	r.refused = false
	r.swapped(next.table)
	diff := proxy.Compare(before, next.table)
	r.log.LogAttrs(ctx, slog.LevelInfo, "route table reloaded", slog.String("trigger", trigger),
		slog.Int("routes", len(next.table.Config().Routes)), slog.String("hash", next.table.Config().Hash),
		slog.Float64("duration_ms", float64(time.Since(began).Microseconds())/1000),
		slog.Any("weaker", diff.Weaker), slog.Any("added", diff.Added),
		slog.Any("removed", diff.Removed), slog.Any("changed", diff.Changed))
	warnings := next.table.Config().Warnings
	logProblems(ctx, r.log, slog.LevelWarn, warnings)
	return diff, warnings, nil
}

// refuse counts a table that is not taken, and logs why.
func (r *reloader) refuse(ctx context.Context, trigger string, err error) {
	r.refused = true
	r.parts.metrics.TableRefused()
	r.logRefusal(ctx, trigger, err)
}

// awaitKeys reads the keys of issuers that a table adds before the table serves,
// so that their first tokens are not answered 503. An issuer that does not
// answer holds the reload up for a moment, and is told of by /readyz then.
func (r *reloader) awaitKeys(ctx context.Context, next snapshot) {
	ctx, cancel := context.WithTimeout(ctx, r.issuerWait)
	defer cancel()
	r.parts.keySources.Begin(ctx, next.issuers)
}

// onRequest is POST /-/reload.
func (r *reloader) onRequest(ctx context.Context) (proxy.Diff, problem.List, error) {
	if r.gateway.Table() == nil {
		return proxy.Diff{}, nil, errors.New("the gateway is still starting: it has no route table yet")
	}
	return r.reloadAll(ctx, "request")
}

// reloadAll loads, without waiting for anything to be whole, whatever has
// changed: the other files that settings and table name, then the table itself.
func (r *reloader) reloadAll(ctx context.Context, trigger string) (proxy.Diff, problem.List, error) {
	unusable := r.files.ApplyNow(ctx, tableFile)
	diff, warnings, err := r.reload(ctx, trigger)
	for _, one := range unusable {
		warnings = append(slices.Clone(warnings), problem.Problem{
			Severity: problem.SeverityWarning, Message: one.Error() + ": what was read before is in use",
		})
	}
	return diff, warnings, err
}

// next makes the snapshot that could replace the live one. A table that makes
// the code itself fail is a bad table like any other: the gateway goes on.
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
	cfg, err := config.Load(r.file, lookup, lint.Check)
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

// logRefusal says every problem, one line each: logs are searched by line.
func (r *reloader) logRefusal(ctx context.Context, trigger string, err error) {
	var problems problem.List
	if !errors.As(err, &problems) {
		problems = problem.List{{Message: err.Error()}}
	}
	r.log.LogAttrs(ctx, slog.LevelError, "route table refused: the last good one goes on serving",
		slog.String("trigger", trigger), slog.Int("problems", len(problems.Errors())))
	logProblems(ctx, r.log, slog.LevelError, problems)
}

// maxLoggedProblems bounds what one bad table writes; `check` says them all.
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
