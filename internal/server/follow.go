package server

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"gatehouse/auth/keys"
	"gatehouse/config"
	"gatehouse/config/problem"
	"gatehouse/config/textfile"
	"gatehouse/config/watch"
	"gatehouse/proxy"
)

// How edits of files are noticed, and how long a file that is written in place
// must be quiet.
const (
	watchSettle = 100 * time.Millisecond
	watchQuiet  = time.Second
	watchPoll   = 5 * time.Second
)

// Names of groups of files.
const (
	tableFile    = "the route table"
	tableTLS     = "tls of routes"
	tableAnswers = "answers of routes"
	tablePages   = "error pages"
	tableUsers   = "users of `basic`"

	issuerKeys = "keys of an issuer: " // followed by the file
)

// newFiles returns what follows every file of a running gateway.
func newFiles(log *slog.Logger) *watch.Files {
	return watch.New(watch.Options{Settle: watchSettle, Quiet: watchQuiet, Poll: watchPoll, Log: log})
}

// follow reloads on every edit of the files of a table, and when a file appears
// that the table includes.
func (r *reloader) follow(sources config.Sources) {
	read := map[string]string{}
	for _, file := range sources.Files {
		read[file.Path] = file.Hash
	}
	r.files.Follow(watch.Group{
		Name: tableFile, Paths: []string{r.file}, More: sources.Match, Read: read, Logs: true,
		Apply: func(ctx context.Context) error {
			_, _, err := r.reload(ctx, "file") // logged by reload
			return err
		},
		ApplyPartial: r.refusePartial,
	})
}

// applied records that a table with these files is served.
func (r *reloader) applied(sources config.Sources) {
	for _, file := range sources.Files {
		r.files.Applied(tableFile, file.Path, file.Hash)
	}
}

// reloadOnHangup reloads on every SIGHUP, until the context ends.
func (r *reloader) reloadOnHangup(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			ended := func() {}
			if r.notify != nil {
				ended = r.notify()
			}
			_, _, _ = r.reloadAll(ctx, "SIGHUP") // logged by reloadAll
			ended()
		}
	}
}

// refusePartial refuses a table of which a file contains only the beginning of
// the served one. Its writer has probably died, and the missing part may have protected a
// route (issue 10).
func (r *reloader) refusePartial(ctx context.Context, path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.next()
	if err == nil {
		err = problem.List{{
			Position: problem.Position{File: path},
			Message:  "the file holds only the beginning of the route table that is being served, as after a writer that died",
			Hint:     "write the rest; or run `gatehouse reload`, or send SIGHUP, to take it as it is",
		}}
	}
	r.refuse(ctx, "file", err)
	return err
}

// swapped follows the files of a table that was swapped in.
func (r *reloader) swapped(table *proxy.Table) {
	r.applied(r.sources)
	r.followTable(table.Config())
	if r.onSwap != nil {
		r.onSwap(table)
	}
}

// followTable follows the files that tables name, before they are read. The
// files of a refused table are followed, too: one of them may be the reason.
func (r *reloader) followTable(tables ...*config.Config) {
	var tls, answers, pages, users, keys []string
	for _, cfg := range tables {
		for _, page := range cfg.Errors {
			pages = append(pages, pathIn(filepath.Dir(cfg.File), page.File))
		}
		for _, backend := range cfg.Backends {
			tls = appendTLSFiles(tls, backend.TLS)
		}
		for i := range cfg.Routes {
			tls = appendTLSFiles(tls, cfg.Routes[i].TLS)
			if answer := cfg.Routes[i].Respond; answer != nil && answer.File != "" {
				answers = append(answers, pathIn(cmp.Or(answer.Folder, filepath.Dir(cfg.File)), answer.File))
			}
			if list := cfg.Routes[i].Basic; list.File != "" {
				users = append(users, pathIn(cmp.Or(list.Folder, filepath.Dir(cfg.File)), list.File))
			}
		}
		for _, issuer := range cfg.Tokens {
			if !strings.Contains(issuer.Keys, "://") {
				keys = append(keys, issuer.Keys)
			}
		}
	}
	tls, answers, pages, users, keys = distinct(tls), distinct(answers), distinct(pages), distinct(users), distinct(keys)
	r.files.Follow(watch.Group{Name: tableTLS, Paths: tls, Apply: r.recompile})
	r.files.Follow(watch.Group{Name: tableAnswers, Paths: answers, Apply: r.recompile})
	r.files.Follow(watch.Group{Name: tablePages, Paths: pages, Apply: r.recompile})
	r.files.Follow(watch.Group{Name: tableUsers, Paths: users, Apply: r.recompile})
	for _, path := range r.keyFiles {
		if !slices.Contains(keys, path) {
			r.files.Follow(watch.Group{Name: issuerKeys + path})
		}
	}
	for _, path := range keys { // each alone: a file that cannot be used does not affect the others
		r.files.Follow(watch.Group{
			Name: issuerKeys + path, Paths: []string{path}, Apply: checkIssuerKeys(path),
			After: func() { r.parts.keySources.Reread(path) },
		})
	}
	r.keyFiles = keys
}

// appendTLSFiles appends the paths that `tls` of a route or a backend names.
func appendTLSFiles(paths []string, files *config.TLS) []string {
	if files == nil {
		return paths
	}
	for _, path := range []string{files.CA, files.Cert, files.Key} {
		paths = append(paths, pathIn(files.Folder, path))
	}
	return paths
}

// pathIn returns a path that may be relative to a folder; an empty folder is
// the one in which the gateway was started.
func pathIn(folder, path string) string {
	if folder == "" || path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// distinct sorts paths and removes empty ones and duplicates.
func distinct(paths []string) []string {
	slices.Sort(paths)
	return slices.DeleteFunc(slices.Compact(paths), func(path string) bool { return path == "" })
}

// checkIssuerKeys refuses a file without keys, so that the keys read before
// stay in use.
func checkIssuerKeys(path string) func(context.Context) error {
	return func(context.Context) error {
		content, err := textfile.Read(path)
		if err == nil {
			err = keys.CheckSet(content)
		}
		return err
	}
}

// recompile compiles the served table again, with changed files and keys. It
// does not read the table itself, which may be incomplete at this time.
func (r *reloader) recompile(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recompileLocked()
}

// recompileLocked is recompile for callers that hold the lock.
func (r *reloader) recompileLocked() error {
	defer debug.FreeOSMemory()
	if r.refused { // perhaps for what these files held, even if the served table cannot use them
		r.files.Retry(tableFile)
	}
	next, err := r.parts.compile(r.gateway.Table().Config())
	if err != nil {
		return err
	}
	r.parts.replace(r.gateway, next)
	if r.onSwap != nil {
		r.onSwap(next.table)
	}
	return nil
}
