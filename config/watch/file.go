// One file: has it changed, and is it whole.

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

// maxSize bounds what is read of a file, in bytes.
const maxSize = 16 << 20

// content is what a file held when it was looked at.
type content struct {
	data    string
	problem string // why there is no data
	target  string // where its links lead
	info    fs.FileInfo
	hash    string // instead of data: of what was applied elsewhere
}

// equals reports whether two contents say the same.
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

// unmodified reports whether nobody has written to the file between the two.
func (c content) unmodified(other content) bool {
	if c.info == nil || other.info == nil {
		return c.equals(other)
	}
	return c.data == other.data && os.SameFile(c.info, other.info) && c.info.ModTime().Equal(other.info.ModTime())
}

// readContent reads a regular file; it looks before it opens, because opening a
// named pipe would wait for a writer.
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

// file is one that is followed.
type file struct {
	path  string
	links linkChain

	seen    content // what the group was last called back about
	applied content // what it last took over
	now     content // what was there at the last look
	since   time.Time
	// replaced is whether the file came whole, by a rename, and nobody has written
	// to it since; open is whether somebody has who has not closed it.
	replaced, open   bool
	appliedMeanwhile bool   // seen was set while the group was reading
	loggedReason     string // why this edit is waited for, as the log knows
}

func newFile(path string) *file {
	now := readContent(path)
	return &file{path: path, links: links(path), seen: now, applied: now, now: now, since: time.Now()}
}

// record remembers what the system said about the file, and reports whether it
// was about this one.
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

// appliedElsewhere records which content is in use, whoever took it.
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

// markChanged has the file count as changed.
func (f *file) markChanged() {
	f.seen, f.appliedMeanwhile = content{problem: "to be taken again"}, true
}

// beginRead is called when the group is about to read the file.
func (f *file) beginRead() {
	f.now, f.since, f.replaced, f.appliedMeanwhile = readContent(f.path), time.Now(), false, false
}

// endRead is called when it has. A file that was changed meanwhile counts as changed
// whatever it holds, for nobody knows what the group has endRead.
func (f *file) endRead(took bool) {
	if f.appliedMeanwhile { // the group has said what it took, or somebody took more
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

// outcome is the result of one check of a file, or of a group.
type outcome struct {
	apply   bool          // it has changed and can be applied
	partial bool          // it holds the beginning of what was applied before
	wait    time.Duration // or it has changed and is looked at again after that
}

// check reads the file.
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
			f.now.data = f.seen.data // one copy of it is enough
		}
		return outcome{}
	}
	if quiet == 0 || f.isWhole() {
		return outcome{apply: true}
	}
	part := f.isPartial()
	reason := ""
	switch {
	case f.open:
		quiet, reason = 10*quiet, "its writer has not closed it"
	case part:
		quiet, reason = 2*quiet, "it holds only the beginning of what is in use"
	case shrank:
		quiet, reason = 2*quiet, "it became shorter"
	}
	if left := quiet - now.Sub(f.since); left > 0 {
		if reason != "" && reason != f.loggedReason {
			f.loggedReason = reason
			log.Info("a file is being written in place: it is taken over when it is quiet",
				"file", f.path, "reason", reason, "quiet", quiet.String())
		}
		return outcome{wait: left}
	}
	return outcome{apply: true, partial: part}
}

// isPartial reports whether the file holds only the beginning of what was applied.
func (f *file) isPartial() bool {
	return f.now.problem == "" && len(f.now.data) < len(f.applied.data) && strings.HasPrefix(f.applied.data, f.now.data)
}

// isWhole reports whether the file came into its place by a rename, or is
// reached by a link that leads somewhere else now.
func (f *file) isWhole() bool {
	return !f.open && (f.replaced || f.seen.target != "" && f.now.target != f.seen.target)
}

// check looks at every file of the group: it is applied when one has changed
// and none has to be waited for.
func (g *group) check(now time.Time, quiet time.Duration, log *slog.Logger) (all outcome) {
	for _, one := range g.files {
		v := one.check(now, quiet, log)
		all.apply = all.apply || v.apply
		all.partial = all.partial || v.partial
		all.wait = max(all.wait, v.wait)
	}
	if all.wait > 0 {
		return outcome{wait: all.wait}
	}
	return all
}

// differs reports whether a file holds something else than what was applied.
func (g *group) differs() bool {
	for _, one := range g.files {
		if !readContent(one.path).equals(one.applied) {
			return true
		}
	}
	return false
}
