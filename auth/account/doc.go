// Package account serves the built-in endpoints under /api/v1/users: users log
// in, read their own account, change their password and join a company. Each
// endpoint has a policy of its own, and asks the Gate of package auth with it.
//
// The endpoints, and what they share:
//
//	endpoints.go  the list of endpoints, each with its policy
//	body.go       a request body: bounded, one JSON object
//	form.go       its fields, and every problem in them
//	login.go      POST /login
//	company.go    POST /me/ensure-company
//	me.go         GET /me, PUT /me/password and POST /me/logout-everywhere
//	refusals.go   the errors of the endpoints, after the Gate has let a request pass
//
// Passwords:
//
//	attempt.go      one attempt at a password: throttled, counted, limited
//	guard.go        attempts at passwords that are not those of users
//	throttle.go     when the next attempt is allowed, by account and by address
//	hashlimiter.go  how many passwords are hashed at a time, and how many wait
//	password.go     hashing and comparing, in the same time for everybody
//	bcrypt.go       bcrypt in steps, so that requests run first
//	pacer.go        when a step pauses for requests
//	email.go        which e-mail addresses are valid
package account
