// Package account is the built-in endpoints under /api/v1/users: users log in,
// see themselves, change their password and join a company. Each endpoint asks
// the Gate of package auth by itself, with the policy that it carries.
//
// The endpoints, and what all of them share:
//
//	endpoints.go  which there are, with the policy of each
//	body.go       a request body, bounded, as one JSON object
//	form.go       its fields, and all that is wrong with them
//	login.go      POST /login
//	company.go    POST /me/ensure-company
//	me.go         GET /me, PUT /me/password and POST /me/logout-everywhere
//	refusals.go   their errors, after the Gate has let a request pass
//
// Passwords:
//
//	attempt.go      one attempt at a password: throttled, counted, limited
//	throttle.go     when the next attempt may be made, by account and by address
//	hashlimiter.go  how many passwords are hashed at a time, and how many wait
//	password.go     hashing and comparing, in the same time for everybody
//	bcrypt.go       bcrypt in steps, so that requests go first
//	pacer.go        when a step gives way
//	email.go        what an e-mail address looks like
package account
