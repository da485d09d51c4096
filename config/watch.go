// Watching the file for edits, however they are made.

package config

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/config/watch"
)

// Watch tells of edits of one file, whether they are whole or not; a gateway
// follows its files with watch.Files, of which this is the plain form. An edit
// may be made in place, by an editor's rename-over, by
// deletion and return, through symbolic links such as those of a Kubernetes
// ConfigMap. Where nothing tells of an edit (some mounts do not), it is found by
// looking at the content every Poll.
type Watch struct {
	Path string
	// Settle is how long after the last sign of an edit the file is looked at, so
	// that a burst of writes is one edit. A burst is cut off after ten times that.
	Settle time.Duration
	// Poll is how often the content is looked at without any sign.
	Poll time.Duration
}

// Run calls changed whenever the content has come to differ from the one last
// seen, and also when the file has gone or cannot be read; seen is the Hash to
// begin with. changed is never called twice at once. Run returns when the
// context ends, or with an error when the system gives no watches at all, after
// having polled until then.
func (w Watch) Run(ctx context.Context, seen string, changed func()) error {
	const name = "watch"
	files := watch.New(watch.Options{Settle: w.Settle, Poll: w.Poll, Log: slog.New(slog.DiscardHandler)})
	files.Follow(watch.Group{Name: name, Paths: []string{w.Path}, Take: func(context.Context) error {
		changed()
		return nil
	}})
	files.Taken(name, w.Path, seen)
	files.Run(ctx)
	return files.Failed()
}
