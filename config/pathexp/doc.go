// Package pathexp has the two halves of a `rewrite`: expressions that match whole
// paths, and templates for the paths that replace them.
//
//	expression.go  an expression, and the questions that a parser can ask
//	normal.go      the form of a path that expressions match
//	below.go       whether an expression can match a path below a prefix
//	samples.go     texts that an expression matches
//	template.go    a template, and the paths that it can produce
package pathexp
