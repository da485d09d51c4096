package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/config"
	"gatehouse/proxy"
)

// contents compares the files that two versions of a route name under the same path. A change
// is weaker when the file lets other callers through, or when other backends are trusted.
func (d *Diff) contents(before, after *proxy.Table, old, now *config.Route) {
	if old.Basic.File == "" && old.Respond == nil && old.TLS == nil {
		return
	}
	was, is := before.Contents(numberOf(before, old)), after.Contents(numberOf(after, now))
	if basicText(old) == basicText(now) {
		d.users(now, was.Users, is.Users)
	}
	digests := func(was, is string) string { return "#" + was + " → #" + is }
	if old.Respond != nil && now.Respond != nil && respondText(old) == respondText(now) && was.Answer != is.Answer {
		d.Changed = append(d.Changed, fmt.Sprintf("route %s: contents of %s %s", now.Name, now.Respond.File, digests(was.Answer, is.Answer)))
	}
	if tlsPath(old, tlsOf(old).CA) == tlsPath(now, tlsOf(now).CA) && was.Authorities != is.Authorities {
		d.Weaker = append(d.Weaker, fmt.Sprintf("route %s: tls.ca: contents of %s %s", now.Name, tlsOf(now).CA, digests(was.Authorities, is.Authorities)))
	}
}

// users compares the users of two files of `basic`.
func (d *Diff) users(now *config.Route, was, is map[string]string) {
	where := fmt.Sprintf("route %s: basic %s: ", now.Name, basicText(now))
	var added, other, gone []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		switch hash, known := was[name]; {
		case !known:
			added = append(added, name)
		case hash != is[name]:
			other = append(other, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, kept := is[name]; !kept {
			gone = append(gone, name)
		}
	}
	if len(added) > 0 {
		d.Weaker = append(d.Weaker, where+"also "+strings.Join(added, ", "))
	}
	if len(other) > 0 {
		d.Weaker = append(d.Weaker, where+"another password for "+strings.Join(other, ", "))
	}
	if len(gone) > 0 {
		d.Changed = append(d.Changed, where+"no longer "+strings.Join(gone, ", "))
	}
}

// pages compares the pages for errors, by path and contents.
func pages(changed report, before, after *proxy.Table) {
	text := func(table *proxy.Table, key string) string {
		file := table.Config().Errors[key].File
		if file == "" {
			return ""
		}
		status, _ := config.ErrorPageStatus(key) // validated
		return file + " #" + table.ErrorPageDigest(status)
	}
	for _, key := range namesIn(before.Config().Errors, after.Config().Errors) {
		changed("errors."+key, text(before, key), text(after, key), false)
	}
}

// numberOf returns the number of a route of a table.
func numberOf(table *proxy.Table, r *config.Route) int {
	for i := range table.Config().Routes {
		if &table.Config().Routes[i] == r {
			return i
		}
	}
	return -1 // the route is not of the table
}
