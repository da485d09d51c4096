// Package watch notices edits of the files that a running gateway uses: writes
// in place, an editor's rename, deletion and return, and symbolic links such as
// those of a Kubernetes ConfigMap. On mounts where the system reports no edits,
// the content is read at intervals.
//
//	watch.go          Files: the followed files, and the callbacks
//	group.go          one group: the files that it has, and those that appear
//	file.go           one file: whether it has changed, and whether it is complete
//	links.go          the places where an edit of a file is visible
//	notify_linux.go   events of inotify, which reports who writes
//	notify_other.go   events of other systems
//
// A file that was replaced by a rename, or by a changed link, is complete: it
// is applied at once. A file that is written in place may be incomplete (issue
// 10), so it must be quiet for a while first. When it then contains only the
// beginning of what was applied before, it is applied only on request, because
// its writer may have died.
package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options are the waiting times of Files. With a zero Quiet, every edit is
// applied as soon as it has settled, complete or not.
type Options struct {
	// Settle is how long after the last event the files are checked, so that a
	// burst of writes counts as one edit. A burst is limited to ten times
	// Settle.
	Settle time.Duration
	// Quiet is how long a file that is written in place must stay the same. For
	// a file that became shorter it is twice as long. While the writer has not
	// closed the file it is ten times as long.
	Quiet time.Duration
	// Poll is how often the content is checked without any event.
	Poll time.Duration
	Log  *slog.Logger
}

// Group is a group of files that are applied together, such as a certificate
// and its key.
type Group struct {
	// Name identifies the files in the log: the setting or the key that names
	// them.
	Name  string
	Paths []string
	// More, if set, returns further files of the group, and the folders in which
	// such files appear. A file that appears is a change.
	More func() (files, folders []string)
	// Read has the Hash of every file that the caller has read already, "" for
	// one that it could not read. A file that the group did not have before,
	// and that is not in Read or has changed since, is a change. A nil Read
	// stands for the current content of all Paths.
	Read map[string]string
	// Apply is called when a file of the group has changed and is complete. It
	// reads the files itself. When it returns an error, which is logged, the
	// old content stays in use, and Apply is called again after the next
	// change.
	Apply func(context.Context) error
	// ApplyPartial is called instead when the file at path contains only the
	// beginning of what was applied before. When it is nil, such a file is not
	// applied, and the log says so.
	ApplyPartial func(ctx context.Context, path string) error
	// After, if set, is called after an Apply without an error, when Read
	// already returns what was applied.
	After func()
	// Logs is true when Apply logs its result itself.
	Logs bool
}

// Files follows groups of files and calls them back, one at a time. A nil Files
// follows nothing.
type Files struct {
	options  Options
	notifier notifier   // nil when the system has none: only polling remains
	followMu sync.Mutex // held while the followed files are replaced
	changed  chan struct{}
	callMu   sync.Mutex // held during a callback

	mu            sync.Mutex
	groups        []*group
	pollingLogged bool // the log says that edits are found by polling only
}

// New returns a Files without groups. When the system has no watches, New logs
// that edits are found by polling.
func New(o Options) *Files {
	f := &Files{options: o, changed: make(chan struct{}, 1)}
	made, err := newNotifier()
	if err != nil {
		f.logPolling(err)
		return f
	}
	f.notifier = made
	return f
}

// Follow starts to follow the files of a group, or replaces the files of the
// group with the same name. A group without files is removed. Call Follow
// before you read the files, so that no later change is missed.
func (f *Files) Follow(g Group) {
	if f == nil {
		return
	}
	f.add(g)
	f.follow()
	f.wake()
}

func (f *Files) add(g Group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &group{Group: g}
	var before []*file
	at := slices.IndexFunc(f.groups, func(have *group) bool { return have.Name == g.Name })
	switch {
	case len(g.Paths) == 0 && at >= 0:
		f.groups = slices.Delete(f.groups, at, at+1)
		return
	case len(g.Paths) == 0:
		return
	case at < 0:
		f.groups = append(f.groups, next)
	default:
		before, next.lastError = f.groups[at].files, f.groups[at].lastError
		f.groups[at] = next
	}
	for _, path := range g.Paths {
		known := slices.IndexFunc(before, func(have *file) bool { return have.path == path })
		if known >= 0 {
			next.files = append(next.files, before[known])
		} else {
			next.files = append(next.files, next.newFile(path))
		}
	}
	if g.More == nil {
		return
	}
	paths, _ := g.More()
	for _, have := range before {
		if slices.Contains(paths, have.path) && !slices.Contains(g.Paths, have.path) {
			next.files = append(next.files, have)
		}
	}
	next.find()
}

// Read returns what was last applied of a file, for callers that read a file at
// any time and must not see an incomplete one. It reads a file that is not
// followed from disk.
func (f *Files) Read(path string) ([]byte, error) {
	if applied, known := f.lastApplied(path); known {
		if applied.problem != "" {
			return nil, errors.New(applied.problem)
		}
		return []byte(applied.data), nil
	}
	current := readContent(path)
	if current.problem != "" {
		return nil, errors.New(current.problem)
	}
	return []byte(current.data), nil
}

// lastApplied returns what was last applied of a file.
func (f *Files) lastApplied(path string) (applied content, known bool) {
	if f == nil {
		return content{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		for _, one := range g.files {
			if one.path == path && one.applied.hash == "" {
				return one.applied, true
			}
		}
	}
	return content{}, false
}

// Applied records that a content of a file was applied by other means than
// Apply. hash is the Hash of the content.
func (f *Files) Applied(name, path, hash string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		if g.Name != name {
			continue
		}
		for _, one := range g.files {
			if one.path == path {
				one.appliedElsewhere(hash)
			}
		}
	}
	f.wake()
}

// Retry causes a callback of a group as if its files had changed, after the
// same waiting times.
func (f *Files) Retry(name string) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		if g.Name == name && len(g.files) > 0 {
			g.files[0].markChanged()
		}
	}
	f.wake()
}

// ApplyNow immediately calls back every group whose files differ from what was
// applied last, except the named groups. It returns one error for each group
// that could not be applied.
func (f *Files) ApplyNow(ctx context.Context, but ...string) (failed []error) {
	if f == nil {
		return nil
	}
	for _, g := range f.due(func(g *group) bool {
		return !slices.Contains(but, g.Name) && g.differs()
	}) {
		if err := f.apply(ctx, g, ""); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", g.Name, err))
		}
	}
	return failed
}

// Run calls groups back until the context ends.
func (f *Files) Run(ctx context.Context) {
	events := make(<-chan event)
	if f.notifier != nil {
		defer f.notifier.close()
		events = f.notifier.events()
	}
	poll := time.NewTicker(f.options.Poll)
	defer poll.Stop()
	settled := time.NewTimer(0)
	var burst time.Time // when the first event of the current burst arrived
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if !f.record(e) {
				continue
			}
			if burst.IsZero() {
				burst = time.Now()
			}
			settle := f.options.Settle
			settled.Reset(max(0, min(settle, time.Until(burst.Add(10*settle)))))
			continue
		case <-f.changed:
		case <-poll.C:
		case <-settled.C:
			burst = time.Time{}
		}
		if wait := f.check(ctx); wait > 0 && burst.IsZero() {
			settled.Reset(wait)
		}
	}
}

// wake causes a check of the files soon.
func (f *Files) wake() {
	select {
	case f.changed <- struct{}{}:
	default: // a check is requested already
	}
}

// record stores what an event says about a file, and reports whether it
// concerns a followed file.
func (f *Files) record(e event) (relevant bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		if g.appearsIn(e) {
			g.find() // before the event is recorded, because it says whether the file is complete
			relevant = true
		}
		for _, one := range g.files {
			relevant = one.record(e) || relevant
		}
	}
	return relevant
}

// check calls back the groups that have changed and are complete. It returns
// after how long to check again; 0 means at the next event.
func (f *Files) check(ctx context.Context) (wait time.Duration) {
	f.find()
	f.follow()
	now := time.Now()
	partial := map[*group]string{}
	for _, g := range f.due(func(g *group) bool {
		verdict := g.check(now, f.options.Quiet, f.options.Log)
		if verdict.wait > 0 && (wait == 0 || verdict.wait < wait) {
			wait = verdict.wait
		}
		partial[g] = verdict.partial
		return verdict.apply
	}) {
		_ = f.apply(ctx, g, partial[g]) // already logged
	}
	return wait
}

// find finds the files that have appeared.
func (f *Files) find() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		g.find()
	}
}

// due returns the groups for which is returns true.
func (f *Files) due(is func(*group) bool) (found []*group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		if is(g) {
			found = append(found, g)
		}
	}
	return found
}

// follow asks the system to report edits.
func (f *Files) follow() {
	if f.notifier == nil {
		return
	}
	f.followMu.Lock()
	defer f.followMu.Unlock()
	var folders, files []string
	f.mu.Lock()
	for _, g := range f.groups {
		folders = slices.Concat(folders, g.folders, g.links.folders())
		for _, one := range g.files {
			one.links = links(one.path)
			folders = append(folders, one.links.folders()...)
			files = append(files, one.path)
		}
	}
	f.mu.Unlock()
	if err := f.notifier.follow(folders, files); err != nil {
		f.logPolling(err)
	}
}

// logPolling logs once that edits are found by polling.
func (f *Files) logPolling(err error) {
	f.mu.Lock()
	told := f.pollingLogged
	f.pollingLogged = true
	f.mu.Unlock()
	if told {
		return
	}
	f.options.Log.Warn("edits of files are found by polling only", "error", err.Error(), "every", f.options.Poll.String())
}

// apply calls a group back and records the result. part is the file that
// contains only the beginning of what was applied before, or "".
func (f *Files) apply(ctx context.Context, g *group, part string) error {
	f.callMu.Lock()
	defer f.callMu.Unlock()
	call := g.Apply
	if part != "" {
		call = func(context.Context) error { return errPartial }
		if g.ApplyPartial != nil {
			call = func(ctx context.Context) error { return g.ApplyPartial(ctx, part) }
		}
	}
	f.mu.Lock()
	g.find()
	files := slices.Clone(g.files)
	for _, one := range files {
		one.beginRead()
	}
	f.mu.Unlock()

	err := call(ctx)

	f.mu.Lock()
	for _, one := range files {
		one.endRead(err == nil)
	}
	f.logResult(ctx, g, err)
	f.mu.Unlock()
	if err == nil && g.After != nil {
		g.After()
	}
	return err
}

// logResult logs the result of a callback. It logs an error once, until the
// files can be used again.
func (f *Files) logResult(ctx context.Context, g *group, err error) {
	switch {
	case g.Logs:
	case err == nil:
		f.options.Log.InfoContext(ctx, "changed files applied", "name", g.Name, "files", g.Paths)
	case err.Error() != g.lastError:
		f.options.Log.WarnContext(ctx, "changed files cannot be used: the old content stays in use",
			"name", g.Name, "files", g.Paths, "error", err.Error())
	}
	g.lastError = ""
	if err != nil {
		g.lastError = err.Error()
	}
}

var errPartial = errors.New("a file contains only the beginning of what was applied before; its writer may have died: " +
	"to apply it, run `gatehouse reload` or send SIGHUP")

// Hash returns a name for a content.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}
