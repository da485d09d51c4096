// This file confines what the files of an owner may say, such as those of one
// team: an entry of `include:` with a prefix. Such a file has no effect
// outside its prefix, and reads no secret that is not its own.
//
// The rules are about what is written, so they are complete only while each
// key that names something beyond its own route has a rule here:
//
//	prefix           at or below that of the entry
//	auth             not weaker than that of the entry; then roles and claims pass nobody
//	                 whom the table's `defaults:` refuse
//	forward_token    not where the table's `defaults:` keep tokens from backends
//	allow_from       no address that the table's `defaults:` do not allow; deny_from too
//	handler          none: the endpoints of a handler are those of the gateway
//	files            below the folder of the file, which no other file shares; the file itself, too,
//	                 when it is a link
//	${NAME}          in `variables` of the entry, also in defaults of the table
//	names            of its own things, or of things that are shared (nameRule)
//	tests            about requests below the prefix
//	global keys      none, as in every included file

package config

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/value"
	"gatehouse/config/yamldoc"
)

// owner is what confines an included file.
type owner struct {
	include *Include
	entry   *yamldoc.Field // of `include:`
	shared  string         // why the file has no folder of its own; "" when it has one
}

// place returns the entry that confines a file, for messages.
func (o *owner) place(at *yamldoc.Field) string { return o.entry.PlaceFrom(at) }

// ownerRules checks the keys of an entry that confine an owner.
func ownerRules(entry *yamldoc.Field, include *Include) {
	if !entry.IsMapping() {
		return
	}
	for _, key := range []string{"auth", "variables"} {
		if entry.Given(key) && !entry.Given("prefix") {
			entry.Forbid(key, "needs prefix", "the path that the files are confined to; / allows every path")
		}
	}
	entry.Check("prefix", include.Prefix, func(prefix string) *problem.Fault {
		if prefix == "" {
			return &problem.Fault{Reason: "is empty", Hint: "write / to allow every path"}
		}
		return prefixRule(prefix)
	})
	entry.Check("auth", string(include.Auth), policyRule)
	entry.CheckEach("variables", include.Variables, func(name string) *problem.Fault {
		switch {
		case !value.IsVariable(name):
			return &problem.Fault{Reason: "not a variable of the environment", Hint: "write its name, such as TEAM_A_URL"}
		case strings.HasPrefix(name, "GATEWAY_"):
			return &problem.Fault{Reason: "a setting of the gateway, which is not for the owner of a file"}
		}
		return nil
	})
}

// refuseVariable refuses variables that the owner was not given.
func (o *owner) refuseVariable(name string) *problem.Fault {
	if slices.Contains(o.include.Variables, name) {
		return nil
	}
	return &problem.Fault{
		Reason: "this file may not use " + name,
		Hint:   o.entry.File() + " lists what it may use, in `variables` of the entry that includes it",
	}
}

// ownFolders finds the files of owners whose folder is not theirs alone. Such a
// file may name no other file, because it could name one of somebody else.
func ownFolders(parts []*part) {
	folder := func(p *part) string { return filepath.Dir(p.doc.File()) }
	for _, p := range parts {
		if p.owner == nil {
			continue
		}
		for _, other := range parts {
			sameEntry := other.owner != nil && other.owner.include == p.owner.include
			below, err := filepath.Rel(folder(p), folder(other))
			if !sameEntry && err == nil && filepath.IsLocal(below) {
				p.owner.shared = other.doc.File()
				break
			}
		}
	}
}

// confine checks a route of an owner.
func (v *validator) confine(field *yamldoc.Field, route *Route) {
	of := v.part(field).owner
	if of == nil {
		return
	}
	if prefix := field.Get("prefix"); prefix != nil && !IsBelow(route.Prefix, of.include.Prefix) {
		prefix.Reject(&problem.Fault{Reason: "is outside " + of.include.Prefix + ", to which " + of.place(prefix) + " confines this file"})
	}
	if route.Handler != "" {
		field.Forbid("handler", "is not for this file, which "+of.place(field)+" confines", "write the route into the table itself")
	} else if slices.Contains(Policies(), route.Auth) && route.Auth.IsWeaker(of.include.Auth) {
		field.FailAt("auth", "auth "+string(route.Auth)+" is weaker than "+string(of.include.Auth)+", which "+of.place(field)+" requires of this file", "")
	}
	v.confineCallers(of, field, route)
	v.confineAddresses(of, field, route)
	for _, file := range namedFiles(field, route) {
		of.confineFile(file)
	}
}

// confineCallers checks that a route of an owner passes no caller whom the `defaults:` of
// the table refuse, when the entry requires a policy; and that its backend gets no tokens
// when those of the table get none. Somebody with the token of a caller is that caller on
// all routes.
func (v *validator) confineCallers(of *owner, field *yamldoc.Field, route *Route) {
	inherited := v.parts[0].defaults
	loosened := map[string]bool{"forward_token": route.Backend != nil && route.ForwardToken && !inherited.ForwardToken}
	if of.include.Auth != "" && route.Handler == "" {
		loosened["roles"] = passesMore(inherited.Roles, route.Roles)
		for claim, values := range inherited.Claims {
			loosened["claims"] = loosened["claims"] || passesMore(values, route.Claims[claim])
		}
	}
	for _, key := range []string{"roles", "claims", "forward_token"} {
		if loosened[key] {
			field.FailAt(key, key+": allows more than the `defaults:` of the table, to which "+of.place(field)+" confines this file", "omit the key, or allow less")
		}
	}
}

// passesMore reports whether one of the values is not among those that a caller needed
// before. No values pass every caller.
func passesMore(before, now []string) bool {
	isNew := func(value string) bool { return !slices.Contains(before, value) }
	return len(before) > 0 && (len(now) == 0 || slices.ContainsFunc(now, isNew))
}

// confineAddresses checks that a route of an owner allows no address that the
// `defaults:` of the table do not allow.
func (v *validator) confineAddresses(of *owner, field *yamldoc.Field, route *Route) {
	inherited := v.parts[0].defaults
	if !inherited.ChecksAddresses() {
		return
	}
	inherited.AllowFrom.resolve(v.config.Addresses)
	inherited.DenyFrom.resolve(v.config.Addresses)
	if route.ChecksAddresses() && CoversAddresses(inherited.AllowedAddresses(), route.AllowedAddresses()) {
		return
	}
	at := "allow_from"
	if !field.Given(at) {
		at = "deny_from"
	}
	field.FailAt(at, "allows addresses that the `defaults:` of the table do not allow, to which "+of.place(field)+" confines this file", "list fewer addresses, or omit the key")
}

// namedFile is a path that a route names.
type namedFile struct {
	field *yamldoc.Field
	path  string
}

// namedFiles returns every path that a route names.
func namedFiles(field *yamldoc.Field, route *Route) []namedFile {
	var files []namedFile
	if route.Respond != nil {
		files = append(files, namedFile{field.Get("respond").Get("file"), route.Respond.File})
	}
	if route.Basic.File != "" {
		files = append(files, namedFile{field.Get("basic"), route.Basic.File})
	}
	files = append(files, namedTLSFiles(field.Get("tls"), route.TLS)...)
	return slices.DeleteFunc(files, func(f namedFile) bool { return f.field == nil })
}

// namedTLSFiles returns the paths that `tls` of a route or a backend names.
func namedTLSFiles(field *yamldoc.Field, tls *TLS) []namedFile {
	if tls == nil {
		return nil
	}
	files := []namedFile{{field.Get("ca"), tls.CA}, {field.Get("cert"), tls.Cert}, {field.Get("key"), tls.Key}}
	return slices.DeleteFunc(files, func(f namedFile) bool { return f.field == nil })
}

// confineFile checks one path that an owner's file names. Links are checked
// when the file is read.
func (o *owner) confineFile(file namedFile) {
	switch {
	case filepath.IsAbs(file.path) || !filepath.IsLocal(file.path):
		file.field.Reject(&problem.Fault{
			Reason: "is outside the folder of this file, to which " + o.place(file.field) + " confines it",
			Hint:   "write a path relative to this file",
		})
	case o.shared != "":
		file.field.Reject(&problem.Fault{
			Reason: "this file may name no other file, because its folder also has " + o.shared,
			Hint:   "put the files of each owner into a folder of their own",
		})
	}
}

// confineDefaults checks the defaults of an owner's file, which may name files.
func (v *validator) confineDefaults(p *part, field *yamldoc.Field) {
	if p.owner == nil {
		return
	}
	for _, file := range namedFiles(field, &p.defaults) {
		p.owner.confineFile(file)
	}
}

// nameRule refuses the name of a thing, such as a set of addresses, that belongs
// to somebody else and is not shared: a file without an owner does not depend on
// an owner's either, who could change it. section is the key of the table that
// has the thing, and at is where the name is used.
func (v *validator) nameRule(at *yamldoc.Field, section, name string, shared bool) *problem.Fault {
	thing := v.file.Get(section).Get(name)
	if thing == nil || shared {
		return nil
	}
	ownerOf := func(field *yamldoc.Field) *Include {
		if of := v.part(field).owner; of != nil {
			return of.include
		}
		return nil
	}
	if ownerOf(thing) == ownerOf(at) {
		return nil
	}
	return &problem.Fault{
		Reason: "belongs to " + thing.KeyPlaceFrom(at) + ", which has another owner",
		Hint:   "share it there with share: true, or define one in this file under another name",
	}
}

// confineInherited checks the `defaults:` of the table, which are the defaults of
// an owner's routes, too: a header that they set, for example, would carry the
// value of a variable to the owner's backend.
func (v *validator) confineInherited() {
	told := map[[2]string]bool{}
	for _, p := range v.parts {
		if p.owner == nil {
			continue
		}
		for name, value := range v.parts[0].fields.Get("defaults").Variables() {
			place := p.owner.place(value)
			if p.owner.refuseVariable(name) == nil || told[[2]string{name, place}] {
				continue
			}
			told[[2]string{name, place}] = true
			value.Fail("uses "+name+", which the files included at "+place+" may not use, and they have these defaults, too",
				"list it in `variables` there, or write it into the routes")
		}
	}
}

// confineTest checks a test of an owner. A test that fails refuses the whole
// table, so an owner's is about its own requests.
func (v *validator) confineTest(field *yamldoc.Field, test *Test) {
	of := v.part(field).owner
	if of == nil || field.Get("request") == nil {
		return
	}
	_, target, _ := strings.Cut(test.Request, " ")
	asked, _, _ := strings.Cut(target, "?")
	if !IsBelow(path.Clean(asked), of.include.Prefix) {
		field.Get("request").Reject(&problem.Fault{Reason: "is outside " + of.include.Prefix + ", to which " + of.place(field) + " confines this file"})
	}
}

// IsBelow reports whether a path is a prefix or below it, segment by segment,
// also as a careless backend reads it.
func IsBelow(path, prefix string) bool {
	below := func(path, prefix string) bool {
		return prefix == "/" || path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return below(path, prefix) && below(unescaped(path), unescaped(prefix))
}

// Policies returns the policies, from the weakest to the strictest.
func Policies() []Policy { return []Policy{PolicyNone, PolicyOptional, PolicyInitial, PolicyStrict} }

// IsWeaker reports whether the policy lets more pass than another. An empty
// policy is the weakest.
func (p Policy) IsWeaker(than Policy) bool {
	return slices.Index(Policies(), p) < slices.Index(Policies(), than)
}
