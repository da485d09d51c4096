// Watching the file for edits, however they are made.

package config

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch tells of edits of a file: in place, by an editor's rename-over, by
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
	signs, watchErr := fsnotify.NewWatcher()
	if watchErr != nil {
		signs = &fsnotify.Watcher{} // whose channels are silent: polling is left
		watchErr = fmt.Errorf("watch %s: %w", w.Path, watchErr)
	} else {
		defer func() { _ = signs.Close() }()
	}
	look := func() {
		w.follow(signs, watchErr == nil)
		if now := w.fingerprint(); now != seen {
			seen = now
			changed()
		}
	}
	look()

	poll := time.NewTicker(w.Poll)
	defer poll.Stop()
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	var burst time.Time // when the first sign of the current burst came
	for {
		select {
		case <-ctx.Done():
			return watchErr
		case <-signs.Events:
		case <-signs.Errors: //nolint:errcheck // it means that signs were lost, most likely: looking is the answer
		case <-poll.C:
			look()
			continue
		case <-settled.C:
			burst = time.Time{}
			look()
			continue
		}
		if burst.IsZero() {
			burst = time.Now()
		}
		settled.Reset(max(0, min(w.Settle, time.Until(burst.Add(10*w.Settle)))))
	}
}

// follow sees to it that everything is watched by which the content can change:
// the file itself (an edit in place, also of a bind mount), the folder it is
// named in (rename-over, ConfigMap), and the folder of each link on the way.
// What cannot be watched is left to polling. Adding a watch again is harmless,
// and renews one whose target was replaced.
func (w Watch) follow(signs *fsnotify.Watcher, watching bool) {
	if !watching {
		return
	}
	_ = signs.Add(filepath.Dir(w.Path))
	_ = signs.Add(w.Path)
	if target, err := filepath.EvalSymlinks(w.Path); err == nil && target != w.Path {
		_ = signs.Add(filepath.Dir(target))
		_ = signs.Add(target)
	}
}

// fingerprint names the content as Config.Hash does, or why there is none.
func (w Watch) fingerprint() string {
	data, err := readBounded(w.Path)
	if err != nil {
		return err.Error()
	}
	return contentHash(data)
}
