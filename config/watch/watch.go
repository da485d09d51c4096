// Package watch notices edits of the files that a running gateway goes by: in
// place, by an editor's rename-over, by deletion and return, and through
// symbolic links such as those of a Kubernetes ConfigMap. Where the system
// reports no edit (some mounts do not), the content is read now and then.
//
//	watch.go          Files: who follows which files, and who is called when
//	file.go           one file: has it changed, and is it whole
//	links.go          where an edit of a file can be seen
//	notify_linux.go   what the system reports: inotify, which knows who writes
//	notify_other.go   what other systems report
//
// A file that was replaced by a rename, or by a link that changed, is whole: it
// is taken over at once. One that is written in place may be half there (issue
// 10), so it has to be quiet for a while first. What then holds only the
// beginning of what was taken from it before is never taken without being asked
// for: its writer may have died.
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

// Options are the waiting times of Files. A zero Quiet takes every edit over once it
// has settled, whole or not.
type Options struct {
	// Settle is how long after the last event the files are checked,
	// so that a burst of writes is one edit. A burst is cut off after ten times
	// that.
	Settle time.Duration
	// Quiet is how long a file that is written in place has to stay the same. It
	// is twice that for one that became shorter, and ten times that while its
	// writer has not closed it.
	Quiet time.Duration
	// Poll is how often the content is checked without any event.
	Poll time.Duration
	Log  *slog.Logger
}

// Group is files that are taken over together, such as a certificate and its
// key.
type Group struct {
	// Name is what the log calls these files: the setting or the key that names
	// them.
	Name  string
	Paths []string
	// Take is called when a file of the group has changed and is whole. It reads
	// the files by itself. An error, which is logged, leaves in use what was read
	// before; Take is called again after the next change.
	Take func(context.Context) error
	// TakePart is called instead when a file holds only the beginning of what was
	// taken before. Without it such a file is not taken, and the log says so.
	TakePart func(context.Context) error
	// Then, if set, is called after a Take without an error, when Read returns what
	// was taken.
	Then func()
	// Logs is whether Take itself logs its result.
	Logs bool
}

// Files follows groups of files and calls them back, one at a time. A nil Files
// follows nothing.
type Files struct {
	options  Options
	notifier notifier   // nil when the system has none to give: polling is left
	followMu sync.Mutex // held while what the notifier follows is replaced
	changed  chan struct{}
	callMu   sync.Mutex // held while a group is called back

	mu            sync.Mutex
	groups        []*group
	pollingLogged bool // edits are found by polling only
}

type group struct {
	Group
	files     []*file
	lastError string // the error of the last Take; "" after a good one
}

// New makes Files that follow nothing yet. When the system has no watches to
// give, New logs that edits are found by polling.
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

// Follow begins to follow the files of a group, or to follow others under the
// same name; a group without files is forgotten. Call it before you read the
// files: later changes are noticed.
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
			next.files = append(next.files, newFile(path))
		}
	}
}

// Read returns what was last taken over of a file, for those who read files when
// they please: a part of a file is not for them either. A file that is not
// followed is read as it is.
func (f *Files) Read(path string) ([]byte, error) {
	if taken, known := f.lastTaken(path); known {
		if taken.problem != "" {
			return nil, errors.New(taken.problem)
		}
		return []byte(taken.data), nil
	}
	current := readContent(path)
	if current.problem != "" {
		return nil, errors.New(current.problem)
	}
	return []byte(current.data), nil
}

// lastTaken finds what was last taken over of a file.
func (f *Files) lastTaken(path string) (taken content, known bool) {
	if f == nil {
		return content{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		for _, one := range g.files {
			if one.path == path && one.taken.hash == "" {
				return one.taken, true
			}
		}
	}
	return content{}, false
}

// Taken records that a content of a file was taken over by other means than Take;
// hash is the Hash of it.
func (f *Files) Taken(name, path, hash string) {
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
				one.takenElsewhere(hash)
			}
		}
	}
	f.wake()
}

// Again has a group called back as if its files had changed, after the
// same waiting times.
func (f *Files) Again(name string) {
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

// TakeNow calls back, without waiting, every group but those named whose
// files differ from what was taken last. It returns, by group, what could not be
// taken.
func (f *Files) TakeNow(ctx context.Context, but ...string) (failed []error) {
	if f == nil {
		return nil
	}
	for _, g := range f.due(func(g *group) bool {
		return !slices.Contains(but, g.Name) && g.differs()
	}) {
		if err := f.take(ctx, g, false); err != nil {
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
	var burst time.Time // when the first event of the current burst came
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

// wake has the files checked soon.
func (f *Files) wake() {
	select {
	case f.changed <- struct{}{}:
	default: // somebody has
	}
}

// record remembers what an event says about a file, and reports whether it is about
// a file that is followed.
func (f *Files) record(e event) (relevant bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		for _, one := range g.files {
			relevant = one.record(e) || relevant
		}
	}
	return relevant
}

// check calls back the groups that have changed and are whole, and returns after
// how long to check again; 0 is whenever there is an event.
func (f *Files) check(ctx context.Context) (wait time.Duration) {
	f.follow()
	now := time.Now()
	partial := map[*group]bool{}
	for _, g := range f.due(func(g *group) bool {
		verdict := g.check(now, f.options.Quiet, f.options.Log)
		if verdict.wait > 0 && (wait == 0 || verdict.wait < wait) {
			wait = verdict.wait
		}
		partial[g] = verdict.part
		return verdict.take
	}) {
		_ = f.take(ctx, g, partial[g]) // it was logged
	}
	return wait
}

// due returns the groups that were found to be due.
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

// follow asks the system to report every edit that it can.
func (f *Files) follow() {
	if f.notifier == nil {
		return
	}
	f.followMu.Lock()
	defer f.followMu.Unlock()
	var folders, files []string
	f.mu.Lock()
	for _, g := range f.groups {
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

// logPolling logs, once, that edits are found by polling.
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

// take calls a group back, and remembers how that came out.
func (f *Files) take(ctx context.Context, g *group, part bool) error {
	f.callMu.Lock()
	defer f.callMu.Unlock()
	call := g.Take
	if part {
		if call = g.TakePart; call == nil {
			call = func(context.Context) error { return errPart }
		}
	}
	f.mu.Lock()
	for _, one := range g.files {
		one.beginRead()
	}
	f.mu.Unlock()

	err := call(ctx)

	f.mu.Lock()
	for _, one := range g.files {
		one.endRead(err == nil)
	}
	f.logResult(ctx, g, err)
	f.mu.Unlock()
	if err == nil && g.Then != nil {
		g.Then()
	}
	return err
}

// logResult logs how a callback came out: an error once, until the files can be used
// again.
func (f *Files) logResult(ctx context.Context, g *group, err error) {
	switch {
	case g.Logs:
	case err == nil:
		f.options.Log.InfoContext(ctx, "changed files taken over", "name", g.Name, "files", g.Paths)
	case err.Error() != g.lastError:
		f.options.Log.WarnContext(ctx, "changed files cannot be used: what was read before is",
			"name", g.Name, "files", g.Paths, "error", err.Error())
	}
	g.lastError = ""
	if err != nil {
		g.lastError = err.Error()
	}
}

var errPart = errors.New("a file holds only the beginning of what was taken from it before, as after a writer that died: " +
	"to take it, run `gatehouse reload` or send SIGHUP")

// Hash names a content.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}
