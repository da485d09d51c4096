package wire

import (
	"net/url"
	"testing"
)

// faults are bytes that are invalid in some places of a message.
var faults = []string{"\r", "\n", "\r\n", "\r\n\r\n", "\n\n", "\t", " ", ":", ",", "\x00", "\x7f", "\x80", "\u017f", "%", "?", "#", "/", "0", "A", "-"}

// eachFault calls a function with the message broken at every byte. One byte is missing,
// or replaced by each fault, or each fault is put before it.
func eachFault(message string, with func(broken []byte)) {
	for k := range message {
		before, after := message[:k], message[k+1:]
		with([]byte(before + after))
		for _, fault := range faults {
			with([]byte(before + fault + after))
			with([]byte(before + fault + message[k:]))
		}
	}
}

// A broken request is not parsed, or parsed as net/http's server does.
func TestRequestsBroken(t *testing.T) {
	for _, c := range requestCases {
		if c.plain && len(c.head) < 100 {
			eachFault(c.head, func(broken []byte) { wantAsServer(t, broken, &url.URL{}) })
		}
	}
}

// A broken response is not parsed, or parsed as net/http's client does.
func TestResponsesBroken(t *testing.T) {
	for _, c := range responseCases {
		if c.plain && len(c.raw) < 100 {
			eachFault(c.raw, func(broken []byte) { wantAsClient(t, broken, "GET") })
		}
	}
}
