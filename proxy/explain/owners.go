// This file compares what the owners of included files may say.

package explain

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/config"
)

// owners compares the files that two tables include, and the entries without a file. A
// change is weaker when a file may say more than before: its routes may take requests, or
// read secrets, that they could not.
func (d *Diff) owners(before, after *config.Config) {
	confinedBefore, confinedNow, told := confinements(before), confinements(after), map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(confinedNow)) {
		was, now := confinedBefore[name], confinedNow[name]
		if was == nil {
			continue // what it says is compared as routes
		}
		what := "include " + now.Files
		for _, change := range confinementChanges(was, now) {
			line := what + ": " + change.text
			if told[line] { // for another file of the entry
				continue
			}
			told[line] = true
			if change.weaker {
				d.Weaker = append(d.Weaker, line)
			} else {
				d.Changed = append(d.Changed, line)
			}
		}
	}
}

// confinements returns what confines each file that a table includes. An entry without a
// file stands under its pattern.
func confinements(c *config.Config) map[string]*config.Include {
	by := map[string]*config.Include{}
	for i := range c.Include {
		by[c.Include[i].Files] = &c.Include[i]
	}
	for _, file := range c.Included {
		by[file.Name] = file.By
	}
	return by
}

// confinementChange is one difference between two entries.
type confinementChange struct {
	text   string
	weaker bool
}

// confinementChanges compares two entries that include the same file.
func confinementChanges(was, now *config.Include) (changes []confinementChange) {
	add := func(key, from, to string, weaker bool) {
		if from != to {
			changes = append(changes, confinementChange{fmt.Sprintf("%s %s → %s", key, cmp.Or(from, "(none)"), cmp.Or(to, "(none)")), weaker})
		}
	}
	if was.Prefix != "" && now.Prefix == "" {
		return []confinementChange{{"confined to " + was.Prefix + " → not confined", true}}
	}
	if was.Prefix == "" && now.Prefix != "" {
		return []confinementChange{{"not confined → confined to " + now.Prefix, false}}
	}
	add("prefix", was.Prefix, now.Prefix, !config.IsBelow(now.Prefix, was.Prefix))
	floor := func(of *config.Include) config.Policy { return cmp.Or(of.Auth, config.PolicyNone) }
	add("auth", string(floor(was)), string(floor(now)), floor(now).IsWeaker(floor(was)))
	added := slices.ContainsFunc(now.Variables, func(name string) bool { return !slices.Contains(was.Variables, name) })
	add("variables", sortedList(was.Variables), sortedList(now.Variables), added)
	return changes
}

// pathText returns a path that an included file names, relative to the folder of the table,
// so that tables in two folders can be compared. included is the folder of that file,
// relative to that of the table. folder is the one that the path is relative to, or "" when
// that is not the folder of an included file.
func pathText(included, folder, file string) string {
	if folder == "" || file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(included, file)
}

// basicText returns the file of users of a route, or "".
func basicText(r *config.Route) string { return pathText(r.Folder, r.Basic.Folder, r.Basic.File) }

func sortedList(names []string) string {
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}
