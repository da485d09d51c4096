// Package forward takes a request to its backend, and the answer to the client.
//
// forward.go has the way from above to below: Forwarder.Forward makes an attempt, and has
// the route's httputil.ReverseProxy run. The other files are what the proxy calls on
// that way:
//
//	transfer.go        one request on its way: Facts that do not change, the body, attempts
//	attempt.go         one attempt: its context, idle timer, answer
//	rewrite.go         the request that the backend gets; nothing in it can fail
//	fields.go          the headers of that request, the one list of them
//	policy.go          what the route table says about headers
//	foldednames.go     header names that a backend may take for one another
//	upgrade.go         the switch of protocols that a client asks for, and the 101
//	body.go            what the client sends: bounded, counted, streamed
//	replay.go          and kept while the request may be sent again
//	earlyresponse.go   an answer that comes before the body has ended
//	response.go        the backend's response, cleaned (backendheaders.go)
//	answer.go          the ResponseWriter that httputil writes to: 1xx, upgrades
//	headflush.go       the head of an answer whose body is long in coming
//	revocation.go      streams end with the decision that let them in
//	errors.go          whose fault it was that there is no answer (refusals.go)
//	preview.go         the request that would be sent, for questions
//
// The state of a request has three lifetimes. Facts are known before and never change.
// A Transfer lasts as long as the request. An attempt may fail, and be followed by
// another one of the same Transfer.
package forward
