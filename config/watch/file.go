// This file follows one file: whether it has changed, and whether it is
// complete.

package watch

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxSize bounds the part of a file that is read, in bytes.
const maxSize = 16 << 20

// content is the content of a file at one check.
type content struct {
	data    string
	problem string // why data is missing
	target  string // the target of its links
	info    fs.FileInfo
	hash    string // instead of data: the hash of what was applied elsewhere
}

// equals reports whether two contents are the same.
func (c content) equals(other content) bool {
	if c.hash != "" || other.hash != "" {
		return c.problem == "" && other.problem == "" && c.hashOf() == other.hashOf()
	}
	return c.data == other.data && c.problem == other.problem
}

func (c content) hashOf() string {
	if c.hash != "" {
		return c.hash
	}
	return Hash([]byte(c.data))
}

// unmodified reports whether nobody wrote to the file between the two checks.
func (c content) unmodified(other content) bool {
	if c.info == nil || other.info == nil {
		return c.equals(other)
	}
	return c.data == other.data && os.SameFile(c.info, other.info) && c.info.ModTime().Equal(other.info.ModTime())
}

// readContent reads a regular file. It checks the type before it opens the
// file, because opening a named pipe would block until there is a writer.
func readContent(path string) content {
	var c content
	err := func() (err error) {
		if c.target, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return errors.New("not a regular file")
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		data, err := io.ReadAll(io.LimitReader(file, maxSize+1))
		if err != nil {
			return err
		}
		if len(data) > maxSize {
			return errors.New("too large")
		}
		c.data, c.info = string(data), info
		return nil
	}()
	if err != nil {
		return content{problem: err.Error()}
	}
	return c
}

// file is one followed file.
type file struct {
	path  string
	links linkChain

	seen    content // what the group was last called for
	applied content // what the group last applied
	now     content // what the last check found
	since   time.Time
	// replaced is true when the file arrived complete, by a rename, and nobody
	// has written to it since. open is true when a writer has not closed it
	// yet.
	replaced, open   bool
	listed           bool   // More returned it
	appliedMeanwhile bool   // seen was set while the group was reading
	loggedReason     string // the last logged reason for waiting with this edit
}

func newFile(path string) *file {
	now := readContent(path)
	return &file{path: path, links: links(path), seen: now, applied: now, now: now, since: time.Now()}
}

// record stores what an event says about the file, and reports whether the
// event is about this file.
func (f *file) record(e event) bool {
	if e.path == "" {
		return true
	}
	if e.path != f.path && !f.links.has(e.path) {
		return slices.Contains(f.links.folders(), e.path)
	}
	switch e.kind {
	case renamedInto:
		f.replaced, f.open = true, false
	case created, gone:
		f.replaced, f.open = false, false
	case written:
		f.replaced, f.open = false, true
	case closed:
		f.open = false
	}
	return true
}

// appliedElsewhere records the hash of the content in use, whoever applied it.
func (f *file) appliedElsewhere(hash string) {
	current := readContent(f.path)
	switch {
	case hash == "":
		current = content{problem: "nothing was taken yet"}
	case current.problem != "" || Hash([]byte(current.data)) != hash:
		current = content{hash: hash}
	}
	f.seen, f.applied, f.loggedReason, f.appliedMeanwhile = current, current, "", true
}

// markChanged makes the file count as changed.
func (f *file) markChanged() {
	f.seen, f.appliedMeanwhile = content{problem: "to be taken again"}, true
}

// beginRead is called before the group reads the file.
func (f *file) beginRead() {
	f.now, f.since, f.replaced, f.appliedMeanwhile = readContent(f.path), time.Now(), false, false
}

// endRead is called after the group has read the file. A file that changed
// meanwhile counts as changed, whatever it contains, because nobody knows which
// content the group read.
func (f *file) endRead(took bool) {
	if f.appliedMeanwhile { // the group has recorded what it applied, or something newer was applied
		return
	}
	f.seen, f.loggedReason = f.now, ""
	if took {
		f.applied = f.now
	}
	if !readContent(f.path).equals(f.now) {
		f.seen = content{problem: "changed while it was read"}
	}
}

// outcome is the result of one check of a file or a group.
type outcome struct {
	apply   bool          // it has changed and can be applied
	partial string        // the file that contains only the beginning of what was applied before, or ""
	wait    time.Duration // it has changed and is checked again after this time
}

// check reads the file and decides whether to apply it.
func (f *file) check(now time.Time, quiet time.Duration, log *slog.Logger) outcome {
	current := readContent(f.path)
	if !current.unmodified(f.now) {
		f.since = now
	}
	shrank := len(current.data) < len(f.now.data) || len(current.data) < len(f.applied.data)
	f.now = current
	if current.equals(f.seen) {
		f.loggedReason = ""
		if f.seen.hash == "" {
			f.now.data = f.seen.data // share one copy
		}
		return outcome{}
	}
	if quiet == 0 || f.isWhole() {
		return outcome{apply: true}
	}
	part, reason := "", ""
	if f.isPartial() {
		part = f.path
	}
	switch {
	case f.open:
		quiet, reason = 10*quiet, "its writer has not closed it"
	case part != "":
		quiet, reason = 2*quiet, "it holds only the beginning of what is in use"
	case shrank:
		quiet, reason = 2*quiet, "it became shorter"
	}
	if left := quiet - now.Sub(f.since); left > 0 {
		if reason != "" && reason != f.loggedReason {
			f.loggedReason = reason
			log.Info("a file is being written in place: it is applied when the writing has stopped",
				"file", f.path, "reason", reason, "quiet", quiet.String())
		}
		return outcome{wait: left}
	}
	return outcome{apply: true, partial: part}
}

// isPartial reports whether the file contains only the beginning of what was
// applied.
func (f *file) isPartial() bool {
	return f.now.problem == "" && len(f.now.data) < len(f.applied.data) && strings.HasPrefix(f.applied.data, f.now.data)
}

// isWhole reports whether the file arrived by a rename, or through a link that
// now leads to another file.
func (f *file) isWhole() bool {
	return !f.open && (f.replaced || f.seen.target != "" && f.now.target != f.seen.target)
}
