// Package target has the targets of routes that the gateway answers by itself,
// without a backend: redirects, and fixed answers with their files. They are http.Handlers behind the policy of their
// route. They know the values of the table, and nothing of routes and callers.
package target
