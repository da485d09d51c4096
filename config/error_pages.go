// This file has the pages that replace the bodies of the gateway's own errors.

package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"gatehouse/config/problem"
	"gatehouse/config/textfile"
	"gatehouse/config/yamldoc"
)

// MaxErrorPage is the largest size of an error page, in bytes. Pages are kept in
// memory.
const MaxErrorPage = 1 << 20

// ErrorPage is one page of `errors:`. The file has the path of the page alone.
type ErrorPage struct {
	Position problem.Position
	File     string // relative to the folder of the table
}

// DecodeField decodes the path of a page.
func (p *ErrorPage) DecodeField(d *yamldoc.Decoder, f *yamldoc.Field) {
	p.Position = f.Position()
	d.Scalar(f, reflect.ValueOf(&p.File).Elem())
}

var _ yamldoc.FieldDecoder = (*ErrorPage)(nil)

// read reads the page. folder is that of the table.
func (p *ErrorPage) read(folder string) ([]byte, error) {
	return textfile.ReadBelow(folder, p.File, MaxErrorPage)
}

// ReadErrorPages reads the pages of `errors:` and returns their texts by file. The error
// is a problem.List of all pages that cannot be read.
func (c *Config) ReadErrorPages() (map[string]string, error) {
	texts := map[string]string{}
	var problems problem.List
	for _, key := range slices.Sorted(maps.Keys(c.Errors)) {
		page := c.Errors[key]
		text, err := page.read(filepath.Dir(c.File))
		if err != nil {
			problems = append(problems, problem.Problem{
				Position: page.Position, Message: "errors: " + key + ": " + page.File + " cannot be read: " + err.Error(),
				Hint: "the path is relative to the folder of the table",
			})
			continue
		}
		texts[page.File] = string(text)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return texts, nil
}

// ErrorPageStatus returns the status that a key of `errors:` stands for. For the
// classes 4xx and 5xx it returns 4 and 5. ok is false for other text.
func ErrorPageStatus(key string) (status int, ok bool) {
	if key == "4xx" || key == "5xx" {
		return int(key[0] - '0'), true
	}
	status, err := strconv.Atoi(key)
	return status, err == nil && len(key) == 3 && status >= 400 && status <= 599
}

// errorPages checks the keys and paths of the pages.
func (v *validator) errorPages() {
	v.file.RefuseEmpty("errors", "to answer every error in JSON")
	for key, page := range v.file.Get("errors").Keys() {
		if _, ok := ErrorPageStatus(key); !ok {
			page.RejectKey(&problem.Fault{Reason: "not a status of errors", Hint: "write a number from 400 to 599, 4xx or 5xx"})
			continue
		}
		v.file.Get("errors").Check(key, v.config.Errors[key].File, fileRule)
	}
}

// reportUnreadablePages reports the pages that cannot be read, for a table with other
// errors. ReadErrorPages does so for a table without errors.
func (l *loader) reportUnreadablePages(table *part) {
	for key, field := range table.fields.Get("errors").Keys() {
		page := table.config.Errors[key]
		if !field.Valid() || page.File == "" {
			continue
		}
		if _, err := page.read(filepath.Dir(l.file)); err != nil {
			field.Fail("cannot be read: "+err.Error(), "")
		}
	}
}
