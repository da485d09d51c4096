// Package auth decides who is asking and whether they may: tokens, policies, and
// what is true of a user now.
//
// A request that reaches a route is put to the Gate, which either names an
// Identity or returns an *httperr.Error. The truth table, in the order in which
// the rows are asked; the first that applies answers:
//
//	the request                               none   initial   strict
//	-------------------------------------------------------------------------
//	two Authorization headers                  400       400       400
//	policy none                               pass      –         –
//	no Authorization, or not Bearer            –       401       401
//	token malformed, other algorithm           –       401       401
//	key unknown while the keys of the issuer
//	  cannot be read                       (i) –       503       503
//	key unknown                            (i) –       401       401
//	token forged, without exp, nbf or iat
//	  ahead, a claim of the wrong type         –       401       401
//	token expired                              –       401       401
//	for another audience                   (i) –       401       401
//	no sub                                     –       401       401
//	sub not a UUID                         (u) –       401       401
//	users cannot be asked                  (u) –       503       503
//	user unknown                           (u) –       401       401
//	user inactive                          (u) –       401       401
//	token issued before those of the user
//	  were made void                       (u) –       401       401
//	company_id not a UUID                  (u) –       401       401
//	company_id is no longer the user's     (u) –       403       403
//	no company_id                              –       pass      403
//	role not among the route's roles           –       403       403
//	anything else                              –       pass      pass
//
// Rows marked (u) are asked only with built-in users. With `users: off` the
// token is all there is: sub and company_id are whatever the issuer says.
//
// What is true of a user is true within a second on every replica: a disabled
// or deleted user, and one of another company or role, meets the row for it with
// the next request. None of these makes tokens void, because the table asks for
// the user of now; a new password and POST /me/logout-everywhere do, since
// nothing else would tell an old token from a new one. iat counts in whole
// seconds: tokens issued in the second in which others were made void say the
// next one, and those that say this one are void. A token without iat is void
// once any was.
//
// Rows marked (i) are asked only of a token whose iss is one of `tokens`. It
// has to be signed by that issuer; every other token by us. An issuer's claims
// go by our names from the row "no sub" on.
//
// The files, in the order a request meets them:
//
//	gate.go         the table above, as one function
//	bearer.go       the token in the Authorization header
//	token.go        which keys may have signed a token, and whether one did
//	claims.go       its times, and what it claims
//	reasons.go      what the log says of those that are refused
//	verified.go     tokens that were good before, so that each is verified once
//	users.go        the one seam through which a user's state is asked
//	cachedusers.go  states in memory, kept true by the store's feed
//	identity.go     who passed, for headers, logs and handlers
//	refusals.go     every error for who did not, in one list
//	revocation.go   deciding again about who passed, while a stream lasts
//
// The keys behind token.go, ours and those of other issuers, are package keys.
// signer.go makes our own tokens with them, and issuer.go holds a token against
// the other issuer that it names.
//
// The built-in endpoints are package account. They ask the Gate themselves, and
// context.go carries what they decided to the access log.
package auth
