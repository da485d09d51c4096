package httperr

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// serverErrors are the names of the 5xx in net/http that the gateway answers with.
var serverErrors = []string{
	"StatusInternalServerError", "StatusNotImplemented", "StatusBadGateway", "StatusServiceUnavailable", "StatusGatewayTimeout",
	"StatusHTTPVersionNotSupported", "StatusInsufficientStorage", "StatusLoopDetected",
}

// TestServerErrorsHaveReasons reads the source of the gateway. Each Error with a 5xx must
// have a Reason, and no other Error.
func TestServerErrorsHaveReasons(t *testing.T) {
	found := 0
	for _, folder := range []string{"auth", "internal", "ops", "proxy"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(node ast.Node) bool {
				literal, ok := node.(*ast.CompositeLit)
				if !ok || !isError(literal.Type) {
					return true
				}
				is5xx, hasReason := statusAndReason(literal)
				if is5xx != hasReason {
					t.Errorf("%s: a 5xx: %t; has a reason: %t", files.Position(literal.Pos()), is5xx, hasReason)
				}
				if is5xx {
					found++
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 9 {
		t.Errorf("found only %d errors with a 5xx", found)
	}
}

// isError reports whether a literal is of type Error.
func isError(of ast.Expr) bool {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name == "Error"
	case *ast.SelectorExpr:
		pkg, ok := of.X.(*ast.Ident)
		return ok && pkg.Name == "httperr" && of.Sel.Name == "Error"
	}
	return false
}

func statusAndReason(literal *ast.CompositeLit) (is5xx, hasReason bool) {
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch pair.Key.(*ast.Ident).Name {
		case "Status":
			name, ok := pair.Value.(*ast.SelectorExpr)
			is5xx = ok && slices.Contains(serverErrors, name.Sel.Name)
		case "Reason":
			hasReason = true
		}
	}
	return is5xx, hasReason
}
