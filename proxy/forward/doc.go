// Package forward sends a request to its backend, and the answer to the client.
//
// Read forward.go first. Forwarder.Forward makes an attempt and runs the route's
// httputil.ReverseProxy. The proxy calls the functions in the other files:
//
//	transfer.go        one request while it is forwarded: its Facts, its body, its attempts
//	attempt.go         one attempt: its context, idle timer, answer
//	rewrite.go         the request that the backend gets; nothing in it can fail
//	fields.go          the header fields of that request: the only list of them
//	policy.go          what the route table says about header fields
//	upgrade.go         a client's request to switch protocols, and the backend's 101
//	body.go            the request body: limited, counted, streamed
//	replay.go          the request body, kept while the request may be sent again
//	earlyresponse.go   an answer that comes before the end of the request body
//	response.go        the backend's response, cleaned (see also backendheaders.go)
//	answer.go          the ResponseWriter that httputil writes to: 1xx, upgrades
//	headflush.go       the head of an answer whose body comes late
//	revocation.go      ends a stream when its user loses access
//	errors.go          who caused a missing answer (see also refusals.go)
//	preview.go         the request that would be sent, for `explain`
//	copybuffers.go     the buffers that httputil copies bodies with
//
// The state of a request has three lifetimes. Facts are known before a request is
// forwarded and never change. A Transfer lasts as long as the request. An attempt may
// fail, and the same Transfer may then have another one.
package forward
