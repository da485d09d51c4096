// Tests of what a decoded field knows: its place, its name, and whether it is sound.

package yamldoc

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/config/problem"
)

// menu is a table of another kind: nothing in this package knows of routes.
type menu struct {
	Title  string            `yaml:"title"`
	Dishes []dish            `yaml:"dishes" entry:"dish,name"`
	Prices map[string]string `yaml:"prices"`
	Tags   []string          `yaml:"tags"`
}

type dish struct {
	Position problem.Position `yaml:"-"`

	Name string        `yaml:"name"`
	Cook time.Duration `yaml:"cook"`
}

func TestFieldsHavePlacesAndNames(t *testing.T) {
	doc := Parse("menu.yaml", []byte("dishes:\n  - {name: soup, cook: soon}\n  - {cook: 5m}\nprices: {soup: \"3\", 1: \"4\", no: \"5\"}\ntags: [a, a]\n"))
	d := NewDecoder(nil, problem.DidYouMean)
	SetDefault(d, menu{Title: "Menu"})
	SetDefault(d, dish{Cook: time.Minute})
	var m menu
	file := d.Decode(doc, &m)

	if m.Title != "Menu" || len(m.Dishes) != 2 || m.Dishes[1].Cook != 5*time.Minute || m.Dishes[1].Position.Line != 3 {
		t.Errorf("got %+v", m)
	}
	var names []string
	for i, entry := range file.Get("dishes").Entries() {
		names = append(names, entry.Name())
		if got := entry.Position(); got != m.Dishes[i].Position {
			t.Errorf("entry %d is at %v, its value at %v", i, got, m.Dishes[i].Position)
		}
		entry.Require("name", m.Dishes[i].Name, "")
	}
	if diff := cmp.Diff([]string{`dish "soup"`, "dish 2"}, names); diff != "" {
		t.Error(diff)
	}
	if file.Given("title") || !file.Given("tags") || file.Get("title") != nil {
		t.Error("what is given is mixed up")
	}
	var keys []string
	for key := range file.Get("prices").Keys() {
		keys = append(keys, key)
	}
	if diff := cmp.Diff([]string{"soup", "1"}, keys); diff != "" {
		t.Error(diff)
	}
	file.CheckEach("tags", m.Tags, func(string) *problem.Fault { return nil })
	file.FailAt("title", "is not given", "")

	var got []string
	for _, one := range doc.Problems() {
		got = append(got, one.String())
	}
	want := []string{
		"menu.yaml:1:1: is not given",
		`menu.yaml:2:24: dish "soup": cook "soon": not a duration`,
		"menu.yaml:3:5: dish 2: name is missing",
		`menu.yaml:4:29: prices "no": unquoted, this is read as a boolean by YAML`,
		`menu.yaml:5:11: tags "a": is listed twice`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if cook := file.Get("dishes").field("cook"); cook.Valid() {
		t.Error("a list has keys")
	}
}

// What has no fields may still be asked for some.
func TestNoField(t *testing.T) {
	var none *Field
	for range none.Entries() {
		t.Error("there is an entry")
	}
	for range none.Keys() {
		t.Error("there is a key")
	}
	none.Check("a", "", func(string) *problem.Fault { return &problem.Fault{Reason: "bad"} })
	none.RefuseEmpty("a", "")
	none.Forbid("a", "", "")
	if none.Given("a") || none.Get("a").Get("b") != nil || none.IsEmpty() || none.IsList() || none.IsMapping() || none.IsPlain() {
		t.Error("nothing is something")
	}
	if file := NewDecoder(nil, problem.DidYouMean).Decode(Parse("menu.yaml", []byte("- a\n")), new(menu)); file != nil {
		t.Error("a list was decoded as a menu")
	}
}
