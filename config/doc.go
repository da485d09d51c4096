// Package config turns the route table that an operator writes (routes.yaml) into
// one validated, immutable value, the Config. Nothing here opens a connection or looks
// anything up: the same file and the same environment always give the same value.
//
// Loading takes these steps:
//
//	load.go      reads the file once, with a bound on its size, and goes through the steps
//	defaults.go  sets what holds when the file says nothing; config/yamldoc decodes over it
//	validate.go  checks each value, then what values say together; reports all problems
//	checks       look at a table without errors; config/lint has the warnings
//
// The other files hold the rules: validate_*.go by subject, conflicts.go for routes
// that no rule chooses between, origin.go for patterns of origins.
//
// # To add a route key
//
//	config.go           a field of Route with its yaml tag; its comment says unit and zero value
//	defaults.go         its default in builtInRoute, unless that is the zero value
//	                    RouteOnlyKeys, if `defaults:` cannot hold it
//	                    DecodeField, if its type has a spelling of its own
//	validate_routes.go  its rule in routeValues; what it says together with other keys in route
//	                    emptyRouteKeys, if it is a list or a mapping; HandlerKeys, if a handler takes it
//	schema/notes_route.go  its title, description and examples, and what its value may be
//	lint/               a warning, if it may be right and still worth a look
//	testdata/           bad: one mistake a file, with its message; good; warn
//
// Then `go test ./config ./config/lint ./config/schema -update` writes the messages and
// routes.schema.json. A key without a note fails TestSchemaFile, and one that lets more
// through when it is empty fails TestEmptyIsRefused.
// A key elsewhere in the table goes the same way, beside its neighbours; a list whose
// entries have names gets an `entry` tag, such as the one of Config.Routes.
package config
