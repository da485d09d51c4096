// Package wire parses and formats the heads of HTTP/1.1 messages (RFC 9112) that are
// simple: complete, well formed, with lines that end in CRLF and without continuation
// lines. Functions report ok false for a head that is not simple. They do not decide
// that it is wrong: the caller gives the same bytes to net/http. What they parse, they
// parse as net/http does.
//
// A head becomes one string. Names and values are substrings of it, without a copy of
// each.
package wire
