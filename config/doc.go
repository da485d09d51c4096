// Package config reads the route table that an operator writes (routes.yaml)
// into one validated, immutable value, the Config. It opens no connection and
// looks up nothing: the same file and environment always result in the same
// value.
//
// Loading has these steps:
//
//	load.go      reads the file once, with a bound on its size, and runs the steps
//	defaults.go  sets the defaults; config/yamldoc decodes the file over them
//	validate.go  checks each value, then combinations of values; reports all problems
//	include.go   joins the files that the table includes; sources.go finds and reads them
//	backends_resolve.go  connects routes with the backends that they name
//	owners.go    confines what the file of an owner may say
//	checks       warn about a table without errors; see config/lint
//
// config.go and backends.go have the types. The other files have the rules: validate_*.go by subject, conflicts.go for
// routes that no rule chooses between, and origin.go for patterns of origins.
// Values with a syntax of their own are in addresses.go, claims.go, compress.go,
// error_pages.go, header_value.go and tests.go. Hints for keys that a table does
// not have are in unknown_keys.go, and in foreign_keys.go for the words of other
// gateways.
//
// # To add a route key
//
//	config.go           a field of Route with its yaml tag; its comment has the unit and the zero value
//	defaults.go         its default in builtInRoute, unless that is the zero value
//	                    RouteOnlyKeys, if `defaults:` must not have it
//	                    DecodeField, if its type has its own syntax
//	validate_routes.go  its rule in routeValues; rules about combinations with other keys in route
//	                    emptyRouteKeys, if it is a list or a mapping; HandlerKeys, if a handler uses it;
//	                    AnsweredKeys, if a redirect or a fixed answer uses it
//	owners.go           a rule for files of owners, if it names something beyond its route: a
//	                    file (namedFiles, and setFolders in include.go), or a named thing (nameRule)
//	schema/notes_route.go  its title, description, examples and possible values
//	lint/               a warning, if it can be valid and still a mistake
//	conflicts.go        its rank, if it is a condition by which proxy/route chooses a route
//	testdata/           bad: one mistake a file, with its message; good; warn
//
// Then `go test ./config ./config/lint ./config/schema -update` writes the messages and
// routes.schema.json. A key without a note fails TestSchemaFile, and one that lets more
// through when it is empty fails TestEmptyIsRefused.
// A key elsewhere in the table goes the same way, beside its neighbours; a list whose
// entries have names gets an `entry` tag, such as the one of Config.Routes.
package config
