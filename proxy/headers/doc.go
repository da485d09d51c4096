// Package headers changes the headers of messages as a table says, with
// `request_headers` and `response_headers`.
//
//	rules.go  the changes: remove, then set, then add
//	value.go  values with placeholders, and what the placeholders stand for
//	names.go  sets of header names, in any spelling
//
// Rules are compiled with the table. A request that no rules apply to costs nothing, and
// no header map is copied.
package headers
