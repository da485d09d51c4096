package proxy

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
)

// requestID returns the client's id if it has 1 to 128 characters of [A-Za-z0-9._-].
// Otherwise it returns a new one.
func requestID(sent []string) string {
	if len(sent) == 1 && len(sent[0]) >= 1 && len(sent[0]) <= 128 {
		for i := 0; ; i++ {
			if i == len(sent[0]) {
				return sent[0]
			}
			switch c := sent[0][i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
				continue
			}
			break
		}
	}
	return newRequestID()
}

// newRequestID returns a random UUID (RFC 9562 section 5.4). The id must be unique, but it
// is not a secret. So it comes from the runtime's generator, which needs no system call
// for each request.
func newRequestID() string {
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // of RFC 9562
	return id.String()
}
