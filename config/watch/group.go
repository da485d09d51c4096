// This file follows one group of files: which files it has, and whether it can
// be applied.

package watch

import (
	"cmp"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
)

// group is a followed group of files.
type group struct {
	Group
	files     []*file
	folders   []string  // those in which files of the group appear
	links     linkChain // of the folders
	lastError string    // the error of the last Apply; "" after a good one
}

// find adds the files that More returns and the group does not have. Files that
// are gone stay until the group is followed again: their absence is a change.
func (g *group) find() {
	if g.More == nil {
		return
	}
	var paths []string
	paths, g.folders = g.More()
	g.links = nil
	for _, folder := range g.folders {
		g.links = append(g.links, links(folder)...)
	}
	listed := make(map[string]bool, len(paths))
	for _, path := range paths {
		listed[path] = true
	}
	for _, have := range g.files {
		isListed := listed[have.path]
		delete(listed, have.path)
		if have.listed && !isListed && have.now.problem != "" {
			have.markChanged() // its content, which could not be read, looks the same
		}
		have.listed = isListed
	}
	for _, path := range paths {
		if listed[path] {
			delete(listed, path)
			added := g.newFile(path)
			added.listed = true
			g.files = append(g.files, added)
		}
	}
}

// newFile returns a file that the group did not have before.
func (g *group) newFile(path string) *file {
	f := newFile(path)
	if g.Read == nil && slices.Contains(g.Paths, path) {
		return f
	}
	hash, read := g.Read[path]
	switch {
	case !read:
		f.seen = content{problem: "not read yet"}
	case hash == "" && f.now.problem == "":
		f.seen = content{problem: "could not be read"}
	case hash != "" && (f.now.problem != "" || f.now.hashOf() != hash):
		f.seen = content{hash: hash}
	}
	return f
}

// appearsIn reports whether an event is about a folder of the group, or about a
// name in it, which may be no file of the group yet.
func (g *group) appearsIn(e event) bool {
	return slices.Contains(g.folders, filepath.Dir(e.path)) || slices.Contains(g.folders, e.path) || g.links.has(e.path)
}

// check checks every file of the group. The group is applied when a file has
// changed and no file needs more time.
func (g *group) check(now time.Time, quiet time.Duration, log *slog.Logger) (all outcome) {
	for _, one := range g.files {
		v := one.check(now, quiet, log)
		all.apply = all.apply || v.apply
		all.partial = cmp.Or(all.partial, v.partial)
		all.wait = max(all.wait, v.wait)
	}
	if all.wait > 0 {
		return outcome{wait: all.wait}
	}
	return all
}

// differs reports whether a file differs from what was applied.
func (g *group) differs() bool {
	for _, one := range g.files {
		if !readContent(one.path).equals(one.applied) {
			return true
		}
	}
	return false
}
