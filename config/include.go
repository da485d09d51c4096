// This file makes one table of a file and the files that it includes. Each file
// is decoded alone, with its own `defaults:`, and then joined to the table.

package config

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gatehouse/config/problem"
	"gatehouse/config/textfile"
	"gatehouse/config/yamldoc"
)

// Include is one entry of `include:`: files that belong to the table. An entry
// that is plain text has Files only.
type Include struct {
	Position problem.Position `yaml:"-"`

	// Files is a path relative to the folder of the table. In each part of it,
	// *, ? and [a-z] stand for other characters, as in package path.
	Files string `yaml:"files"`
	// AllowEmpty allows a pattern without a file.
	AllowEmpty bool `yaml:"allow_empty"`

	// Prefix confines the files to an owner, when it is not "": their routes
	// must be at or below it. See owners.go.
	Prefix    string   `yaml:"prefix"`
	Auth      Policy   `yaml:"auth"`      // the weakest policy that the owner's routes may have; "" allows all
	Variables []string `yaml:"variables"` // of the environment, which the owner's files may use
}

// Included is a file that a table includes.
type Included struct {
	Name string   // relative to the folder of the table
	By   *Include // the entry that includes it
}

// DecodeField decodes an entry of `include:`, which is a mapping or the files
// alone.
func (i *Include) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	if f.IsPlain() {
		d.Scalar(f, reflect.ValueOf(&i.Files).Elem())
		i.Position = f.Position()
		return
	}
	if d.HasKind(f, reflect.TypeFor[Include]()) {
		d.Mapping(f, reflect.ValueOf(i).Elem(), yamldoc.Except{})
	}
}

var _ yamldoc.FieldDecoder = (*Include)(nil)

// IncludedKeys returns the keys that an included file may have. All but
// `defaults` are lists or mappings, and are joined with those of the table.
func IncludedKeys() []string { return []string{"defaults", "addresses", "backends", "routes", "tests"} }

// part is one file of a table: the table itself, or a file that it includes.
type part struct {
	doc      *yamldoc.Document
	fields   *yamldoc.Field // nil when the file cannot be decoded
	config   Config
	defaults Route  // a route with the `defaults:` of this file and of the table only
	owner    *owner // nil when the file has none
}

// decodePart decodes one file. over sets further defaults, or is nil.
func (l *loader) decodePart(name string, data []byte, except yamldoc.Except, over func(*yamldoc.Decoder)) *part {
	p := &part{doc: yamldoc.Parse(name, data)}
	decoder := NewDecoder(l.lookup)
	if over != nil {
		over(decoder)
	}
	var decoded File
	p.fields = decoder.DecodeExcept(p.doc, &decoded, except)
	p.config, p.defaults = decoded.Config, Route(decoded.Defaults)
	return p
}

// decodeIncluded decodes a file that the table includes. The `defaults:` of the
// table are the defaults of its own.
func (l *loader) decodeIncluded(table *part, name string, data []byte, of *owner) *part {
	p := l.decodePart(name, data, yamldoc.Except{
		Keys: globalKeys(),
		What: "belongs in the table itself, " + l.file,
		Hint: "an included file has " + strings.Join(IncludedKeys(), ", "),
	}, func(d *yamldoc.Decoder) {
		yamldoc.SetDefault(d, table.defaults)
		yamldoc.SetDefault(d, File{Defaults: RouteDefaults(table.defaults)})
		if of != nil {
			d.RefuseVariables(of.refuseVariable)
		}
	})
	p.owner = of
	p.setFolders(table, l.file, filepath.Dir(name))
	return p
}

// globalKeys returns the keys that only the table itself may have.
func globalKeys() []string {
	var keys []string
	for _, key := range NewDecoder(nil).Keys(reflect.TypeFor[File]()) {
		if !slices.Contains(IncludedKeys(), key.Name) {
			keys = append(keys, key.Name)
		}
	}
	return keys
}

// setFolders makes the paths that an included file names relative to its
// folder. Paths from the `defaults:` of the table stay as they are. file is the
// path of the table.
func (p *part) setFolders(table *part, file, folder string) {
	relative, _ := filepath.Rel(filepath.Dir(file), folder) // below it: no error
	for _, backend := range p.config.Backends {
		if backend == nil {
			continue
		}
		backend.Folder = relative
		if backend.TLS != nil {
			backend.TLS.Folder = folder
		}
	}
	for i := range p.config.Routes {
		route := &p.config.Routes[i]
		route.Folder = relative
		if route.Respond != nil {
			route.Respond.Folder = folder
		}
		if route.Basic.File != "" {
			route.Basic.Folder = folder
		}
		if route.TLS != nil && route.TLS != table.defaults.TLS {
			route.TLS.Folder = folder
		}
	}
}

// join adds an included file to the table.
func (p *part) join(included *part) {
	if included.fields == nil {
		return
	}
	into, from := reflect.ValueOf(&p.config).Elem(), reflect.ValueOf(&included.config).Elem()
	for _, key := range NewDecoder(nil).Keys(into.Type()) {
		if !slices.Contains(IncludedKeys(), key.Name) || !p.fields.Join(key.Name, included.fields) {
			continue
		}
		all, more := into.FieldByIndex(key.Index), from.FieldByIndex(key.Index)
		if all.Kind() == reflect.Slice {
			all.Set(reflect.AppendSlice(all, more))
			continue
		}
		if all.IsNil() {
			all.Set(reflect.MakeMap(all.Type()))
		}
		for name, value := range more.Seq2() {
			if !all.MapIndex(name).IsValid() { // the field of a name that is given twice is the first one
				all.SetMapIndex(name, value)
			}
		}
	}
}

// include reads and joins the files that the table includes. It returns all
// parts, the table first, and notes in sources which files were read.
func (l *loader) include(table *part, sources *Sources) []*part {
	table.fields.RefuseEmpty("include", "to include none")
	list := table.fields.Get("include")
	if list == nil {
		return []*part{table}
	}
	if l.folder == "" {
		list.FailKey("needs a table that is a file",
			"this table comes from a pipe or from standard input, so no folder is known that the included files are in")
		return []*part{table}
	}
	root, err := os.OpenRoot(l.folder)
	if err != nil {
		list.FailKey("needs the folder of the table: "+textfile.WithoutPath(err).Error(), "the gateway must be able to list it")
		return []*part{table}
	}
	defer func() { _ = root.Close() }()
	l.files = &folderFS{FS: root.FS(), path: l.folder}
	parts := append([]*part{table}, l.readAllIncluded(table, list, sources)...)
	ownFolders(parts)
	for _, included := range parts[1:] {
		table.join(included)
	}
	return parts
}

// readAllIncluded reads and decodes the files of all entries, as far as the
// bounds allow.
func (l *loader) readAllIncluded(table *part, list *yamldoc.Field, sources *Sources) (parts []*part) {
	first := map[string]*yamldoc.Field{} // the entry that included a file
	values := table.doc.Values()
	for i, entry := range list.Entries() {
		include := &table.config.Include[i]
		if !checkInclude(entry, include) {
			continue
		}
		sources.patterns = append(sources.patterns, include.Files)
		for _, name := range l.filesOf(entry, include) {
			if name == l.base() {
				entry.Report("include: a table does not include itself", "")
				continue
			}
			if earlier := first[name]; earlier != nil {
				entry.Report("include: "+name+" is included twice", "first included at "+earlier.PlaceFrom(entry)+": two entries could contradict each other")
				continue
			}
			first[name] = entry
			if len(first) > maxIncluded {
				entry.Report("include: the table has more files than "+strconv.Itoa(maxIncluded), "")
				sources.bounded = true
				return parts
			}
			table.config.Included = append(table.config.Included, Included{name, include})
			if included := l.readIncluded(table, entry, include, name, sources); included != nil {
				parts = append(parts, included)
				values += included.doc.Values()
			}
			if values > yamldoc.MaxValues {
				entry.Report("include: with "+name+", the table has too many values once the aliases are followed", "use fewer aliases, or use `defaults:`")
				sources.bounded = true
				return parts
			}
		}
	}
	return parts
}

// base returns the name of the table in its folder.
func (l *loader) base() string { return filepath.Base(l.file) }

// filesOf returns the files of an entry, sorted. It reports an entry without a
// file: a folder that is not mounted would otherwise take its routes away.
func (l *loader) filesOf(entry *yamldoc.Field, include *Include) []string {
	names, err := matchFiles(l.files, include.Files)
	switch {
	case err != nil:
		entry.Report("include "+problem.Quote(include.Files)+": "+err.Error(), "")
	case hasPattern(include.Files):
		// A table beside its parts is not a part of itself.
		names = slices.DeleteFunc(names, func(name string) bool { return name == l.base() })
		if len(names) == 0 && !include.AllowEmpty {
			entry.Report("include "+problem.Quote(include.Files)+" matches no file",
				"a folder that is missing must not take its routes away unnoticed; where none is right, write {files: "+include.Files+", allow_empty: true}")
		}
	}
	return names
}

// readIncluded reads and decodes one file, or reports why it cannot, and
// returns nil.
func (l *loader) readIncluded(table *part, entry *yamldoc.Field, include *Include, name string, sources *Sources) *part {
	file := sources.within(name)
	data, err := l.files.read(include, name, l.budget)
	sources.add(file, data, err)
	if err != nil {
		hint := ""
		if info, err := fs.Stat(l.files, name); err == nil && info.IsDir() {
			hint = "to include the files of a folder, write " + path.Join(name, "*.yaml")
		}
		entry.Report("include "+problem.Quote(name)+": "+err.Error(), hint)
		return nil
	}
	l.budget -= int64(len(data))
	var of *owner
	if include.Prefix != "" {
		of = &owner{include: include, entry: entry}
	}
	return l.decodeIncluded(table, file, data, of)
}

// checkInclude reports what is wrong with an entry besides its types.
func checkInclude(entry *yamldoc.Field, include *Include) bool {
	at := entry
	if entry.IsMapping() {
		entry.Require("files", include.Files, "such as routes.d/*.yaml")
		if at = entry.Get("files"); at == nil {
			return false
		}
	}
	if fault := patternRule(include.Files); fault != nil {
		at.Reject(fault)
	}
	ownerRules(entry, include)
	return entry.Valid() && at.Valid()
}

// patternRule checks the files of an entry.
func patternRule(files string) *problem.Fault {
	switch _, err := path.Match(files, ""); {
	case files == "":
		return &problem.Fault{Reason: "is empty", Hint: "such as routes.d/*.yaml"}
	case strings.Contains(files, "**"):
		return &problem.Fault{Reason: "`**` is not known", Hint: "write one entry for each depth: */*.yaml"}
	case err != nil:
		return &problem.Fault{Reason: "not a pattern", Hint: "*, ? and [a-z] stand for other characters"}
	case !filepath.IsLocal(filepath.FromSlash(files)):
		return &problem.Fault{Reason: "leaves the folder of the table", Hint: "included files are in that folder or below it"}
	}
	return nil
}
