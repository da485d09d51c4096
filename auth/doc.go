// Package auth decides who is calling and whether they may pass. It checks
// tokens, policies, and the current state of the user.
//
// A request that reaches a route is checked by the Gate, which returns an
// Identity or an *httperr.Error. This is the truth table. The rows are checked
// in this order, and the first that applies is the answer:
//
//	the request                               none  optional  initial  strict
//	--------------------------------------------------------------------------
//	two Authorization headers                  400       400      400     400
//	policy none                               pass        –        –       –
//	no Authorization                             –      pass      401     401
//	an empty one, not Bearer, or no token
//	  after Bearer                               –       401      401     401
//	token malformed, other algorithm             –       401      401     401
//	key unknown while the keys of the issuer
//	  cannot be read                       (i)   –       503      503     503
//	key unknown                            (i)   –       401      401     401
//	token forged, without exp, nbf or iat
//	  ahead, a claim of the wrong type           –       401      401     401
//	token expired                                –       401      401     401
//	for another audience                   (i)   –       401      401     401
//	no sub                                       –       401      401     401
//	sub not a UUID                         (u)   –       401      401     401
//	users cannot be asked                  (u)   –       503      503     503
//	user unknown                           (u)   –       401      401     401
//	user inactive                          (u)   –       401      401     401
//	token issued before those of the user
//	  were revoked                         (u)   –       401      401     401
//	company_id not a UUID                  (u)   –       401      401     401
//	company_id is no longer the user's     (u)   –       403      403     403
//	no company_id                                –      pass     pass     403
//	role not among the route's roles             –        –       403     403
//	a claim without the route's values           –        –       403     403
//	anything else                                –      pass     pass    pass
//
// A request that passes with `optional` and no Authorization header is
// anonymous: it has no Identity, and its backend gets no identity headers. All
// others that pass have one. So `optional` is as open as `none`, and a table
// with `roles` or `claims` beside it is an error.
//
// Rows marked (u) are checked only with built-in users. With `users: off` there
// is only the token: sub and company_id are whatever the issuer says.
//
// A change to a user takes effect within a second on every replica. The next
// request of a disabled or deleted user, or of one whose company or role
// changed, gets the answer of that row. Such a change revokes no tokens,
// because the table uses the user's current state. A new password and POST
// /me/logout-everywhere revoke tokens, because nothing else distinguishes an
// old token from a new one. iat counts whole seconds. Tokens issued in the
// second of a revocation therefore have the next second as iat, and tokens with
// the second of the revocation as iat are revoked. A token without iat is
// revoked by any revocation.
//
// Rows marked (i) are checked only for a token whose iss is in `tokens`. That
// issuer must have signed it; the gateway itself must have signed every other
// token. From the row "no sub" on, the names of the issuer's claims are
// translated to ours. Its tokens expire its leeway after their exp.
//
// The files, in the order in which a request meets them:
//
//	gate.go         the table above, as one function
//	rule.go         what a route requires: its policy, roles and claims
//	bearer.go       the token in the Authorization header
//	token.go        which keys may have signed a token, and whether one did
//	claims.go       the times and the claims of a token
//	reasons.go      what the log says about a refused token
//	keptclaims.go   a claim by its name or path, and the claims that an identity keeps
//	verified.go     tokens that were verified before
//	users.go        the interface to the users' states
//	cachedusers.go  states in memory, updated by the store's feed; revalidate.go reads them again
//	identity.go     who passed, for headers, logs and handlers
//	refusals.go     every error of the Gate, in one list
//	revocation.go   deciding again while a stream lasts
//	simulated.go    callers without a real token, for questions about a table
//
// The keys that token.go uses, ours and those of other issuers, are in package
// keys. signer.go makes our own tokens with them. issuer.go checks a token
// against the other issuer that it names.
//
// The built-in endpoints are in package account. They ask the Gate themselves,
// and context.go passes their decision to the access log.
package auth
