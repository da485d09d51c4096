// Package wire reads and writes the heads of HTTP/1.1 messages (RFC 9112) that
// are plain: complete, well-formed, with lines that end in CRLF and no line
// that goes on in the next. It never decides what is wrong with another: whoever
// finds that a head is not plain gives the same bytes to net/http. What it takes,
// it takes as net/http would.
//
// A head becomes one string, and what is found in it are parts of that: there
// is no copy of each line, name and value.
package wire
