// Package target contains the targets of routes that the gateway itself answers, without a
// backend: redirects, and fixed answers with their files. They are called after the policy
// of the route. They use values of the table, and do not depend on routes or callers.
package target
