package wire

import (
	"net/url"
	"testing"
)

// faults are what a message may hold in the wrong place.
var faults = []string{"\r", "\n", "\r\n", "\r\n\r\n", "\n\n", "\t", " ", ":", ",", "\x00", "\x7f", "\x80", "\u017f", "%", "?", "#", "/", "0", "A", "-"}

// eachFault calls with the message broken at every byte: one is missing, one is
// replaced by each fault, and each fault is put before it.
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

// What is broken in whatever way is left, or taken as net/http's server does.
func TestRequestsBroken(t *testing.T) {
	for _, c := range requestCases {
		if c.plain && len(c.head) < 100 {
			eachFault(c.head, func(broken []byte) { wantAsServer(t, broken, &url.URL{}) })
		}
	}
}

// What is broken in whatever way is left, or taken as net/http's client does.
func TestResponsesBroken(t *testing.T) {
	for _, c := range responseCases {
		if c.plain && len(c.raw) < 100 {
			eachFault(c.raw, func(broken []byte) { wantAsClient(t, broken, "GET") })
		}
	}
}
