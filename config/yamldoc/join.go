// This file joins the fields of several files into one tree. Each field keeps
// its file, so that a problem is reported at the place where the value is
// written.

package yamldoc

import (
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// Join adds what another file has under a key: to a list its entries, to a
// mapping its keys. It reports a key that both mappings have, with both places.
// It returns false, and adds nothing, when one of the two has a problem as a
// whole.
func (f *Field) Join(key string, other *Field) bool {
	from := other.Get(key)
	if from == nil {
		return false
	}
	into := f.field(key)
	switch {
	case into == nil:
		f.children = append(f.children, *from)
		added := &f.children[len(f.children)-1]
		added.parent, added.children = f, append([]Field(nil), from.children...)
		return true
	case !into.Valid() || into.node.Kind != from.node.Kind:
		return false
	}
	for i := range from.children {
		entry := &from.children[i]
		if into.IsMapping() {
			if earlier := into.field(entry.name); earlier != nil {
				entry.RejectKey(&problem.Fault{Reason: "is given twice", Hint: "first given at " + earlier.KeyPlaceFrom(entry)})
			}
		}
		into.children = append(into.children, *entry)
	}
	return true
}

// PlaceFrom returns where the field is, for a message at another field: its
// line, with its file when that is not the file of the message.
func (f *Field) PlaceFrom(from *Field) string { return f.placeOf(f.node, from) }

// KeyPlaceFrom is PlaceFrom for the key of the field.
func (f *Field) KeyPlaceFrom(from *Field) string { return f.placeOf(f.key, from) }

func (f *Field) placeOf(n *yaml.Node, from *Field) string {
	if f.doc == from.doc {
		return "line " + strconv.Itoa(n.Line)
	}
	return fmt.Sprintf("%s:%d", f.doc.file, n.Line)
}
