// Package compress compresses answers for clients that accept it (RFC 9110 section 8.4),
// with zstd, br or gzip.
//
//	accept.go    which coding a client prefers
//	eligible.go  which answers are compressed, and their headers
//	etag.go      the ETags of compressed answers, and requests with them
//	writer.go    the http.ResponseWriter that compresses an answer
//	encoder.go   the encoders, which are used again
//
// Answers are streamed: what a backend flushes reaches the client at once. An answer whose
// length is unknown is held until 1 KiB is there, or until it is flushed or ends, to find
// tiny ones. One stream has one encoder, without goroutines, whose memory does not depend
// on the length of the answer. At most maxStreams answers are compressed at the same time;
// others pass as they are.
package compress
