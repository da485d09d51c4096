package http2conn

import (
	"encoding/binary"

	"golang.org/x/net/http2"
)

// writer reads the frames that the server sends, for those that end a stream or the
// connection because of an error.
type writer struct {
	ended func(name string)
	begun [headerSize + 8]byte // the beginning of the current frame
	have  int                  // bytes in begun
	skip  int                  // bytes of the current frame that do not matter
}

// watch is called with what the server has sent.
func (w *writer) watch(p []byte) {
	for len(p) > 0 {
		if w.skip > 0 {
			n := min(w.skip, len(p))
			w.skip -= n
			p = p[n:]
			continue
		}
		want := w.wanted()
		n := copy(w.begun[w.have:want], p)
		w.have += n
		p = p[n:]
		if w.have == want && w.wanted() == want {
			w.note()
			w.skip = w.length() + headerSize - w.have
			w.have = 0
		}
	}
}

// length returns the length of the current frame, without its header.
func (w *writer) length() int { return int(w.begun[0])<<16 | int(w.begun[1])<<8 | int(w.begun[2]) }

// wanted returns how many bytes at the beginning of the current frame matter.
func (w *writer) wanted() int {
	if w.have < headerSize {
		return headerSize
	}
	switch http2.FrameType(w.begun[3]) {
	case http2.FrameRSTStream: // RFC 9113 section 6.4
		return headerSize + min(w.length(), 4)
	case http2.FrameGoAway: // RFC 9113 section 6.8
		return headerSize + min(w.length(), 8)
	}
	return headerSize
}

// note reports the current frame, if it is an error of the client. An internal error is
// none: the handler has logged it.
func (w *writer) note() {
	subject := ""
	switch http2.FrameType(w.begun[3]) {
	case http2.FrameRSTStream:
		subject = "stream"
	case http2.FrameGoAway:
		subject = "connection"
	}
	if subject == "" || w.have < headerSize+4 || w.ended == nil {
		return
	}
	code := http2.ErrCode(binary.BigEndian.Uint32(w.begun[w.have-4:]))
	if code != http2.ErrCodeNo && code != http2.ErrCodeInternal {
		w.ended(subject + "_" + code.String())
	}
}
