package schema

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"gatehouse/config"
	"gatehouse/config/configtest"
	"gatehouse/internal/testkit"
)

// shapes are values of every kind, none of which most keys take.
func shapes() []string {
	return []string{
		"", `""`, "x x", "true", "off", "0", "-1", "99999999999999999999", "1.5", "2026-01-02", "[]", "{}", "[x x]", "[{}]", "[7, 7]", "{x x: y}", "{x: {}}", "{x: null}",
	}
}

// beyondShapes are the refusals of check that a schema cannot know, because they are about
// more than the shape of one value.
func beyondShapes() *regexp.Regexp {
	return regexp.MustCompile(strings.Join([]string{
		"unquoted, this is read as", // YAML 1.2 reads text
		"is empty .omit it",         // defaults may have it
		"conflicts with route",
		"no set of addresses has this name", "there are several such claims",
		"the size is too large", "not a whole number", "not a number", "hyphen at the beginning or end",
		"no route has this name", "x has no value", "is not anchored", "{host} needs `hosts`", `redirect: to "https://{host}`,
		"basic needs `auth: none`", "the cross-origin rules set this header", "private_network and the origin",
	}, "|"))
}

// TestSchemaAgreesAboutShapes replaces each value of the good tables by values of other
// kinds. What check takes, the schema takes; what check refuses because of its shape, the
// schema refuses.
func TestSchemaAgreesAboutShapes(t *testing.T) {
	t.Parallel()
	schema, beyond := compiledSchema(t), beyondShapes()
	files, err := filepath.Glob("../testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	seen := map[string]bool{} // places
	for _, path := range files {
		name := filepath.Base(path)
		root, err := oneDocument(testkit.ReadFile(t, path))
		if err != nil {
			t.Fatal(name, err)
		}
		eachNode(root, func(node *yaml.Node, place string) {
			if seen[place] {
				return
			}
			seen[place] = true
			for _, shape := range shapes() {
				refusal, bySchema := compareShape(t, schema, root, node, shape)
				switch {
				case refusal == nil && bySchema != nil:
					t.Errorf("%s: %s: %s: check takes it, the schema does not: %v", name, place, shape, bySchema)
				case refusal != nil && bySchema == nil && !beyond.MatchString(refusal.Error()):
					t.Errorf("%s: %s: %s: the schema takes it, check does not: %.300s", name, place, shape, refusal)
				}
			}
		})
	}
}

// compareShape returns what check and the schema say about a document in which a node has
// another value.
func compareShape(t *testing.T, schema *jsonschema.Schema, root, node *yaml.Node, shape string) (refusal, bySchema error) {
	t.Helper()
	old := *node
	replaceBy(t, node, shape)
	table, err := yaml.Marshal(root)
	*node = old
	if err != nil {
		t.Fatal(err)
	}
	_, refusal = config.Parse("routes.yaml", table, configtest.Environment())
	document, err := asJSON(table)
	if err != nil {
		return refusal, err
	}
	return refusal, schema.Validate(document)
}

// eachNode calls do for every value below a node, with its place.
func eachNode(node *yaml.Node, do func(node *yaml.Node, place string)) {
	var visit func(node *yaml.Node, at []string)
	visit = func(node *yaml.Node, at []string) {
		if len(at) > 0 {
			do(node, strings.Join(at, "."))
		}
		switch node.Kind {
		case yaml.SequenceNode:
			for _, entry := range node.Content {
				visit(entry, append(slices.Clone(at), "-"))
			}
		case yaml.MappingNode:
			for i := 0; i+1 < len(node.Content); i += 2 {
				visit(node.Content[i+1], append(slices.Clone(at), node.Content[i].Value))
			}
		}
	}
	visit(node, nil)
}

// replaceBy makes a node that of a text.
func replaceBy(t *testing.T, node *yaml.Node, text string) {
	t.Helper()
	other, err := oneDocument([]byte("value: " + text + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	*node = *other.Content[1]
}
