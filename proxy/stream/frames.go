package stream

import "encoding/binary"

// frames tracks the frames of one direction of a WebSocket (RFC 6455 section 5.2), so that
// the gateway can write its own frame between two of them. It reads only the lengths.
type frames struct {
	header []byte // the part of the current frame's header that has been read
	left   uint64 // payload bytes of the current frame that have not been read
}

// atBoundary reports whether the next byte begins a frame.
func (f *frames) atBoundary() bool { return len(f.header) == 0 && f.left == 0 }

// advance reads the bytes of p, or, if untilBoundary is set, only those that belong to the
// current frame. It returns the number of bytes read.
func (f *frames) advance(p []byte, untilBoundary bool) int {
	followed := 0
	for followed < len(p) {
		if untilBoundary && f.atBoundary() {
			break
		}
		if f.left > 0 {
			n := min(f.left, uint64(len(p)-followed))
			f.left -= n
			followed += int(n)
			continue
		}
		f.header = append(f.header, p[followed])
		followed++
		if payload, complete := payloadLength(f.header); complete {
			f.header, f.left = f.header[:0], payload
		}
	}
	return followed
}

// payloadLength returns the length of the payload that a frame's header announces.
// complete is false while bytes of the header are missing.
func payloadLength(header []byte) (payload uint64, complete bool) {
	if len(header) < 2 {
		return 0, false
	}
	length, need := uint64(header[1]&0x7f), 2
	switch length {
	case 126:
		need += 2
	case 127:
		need += 8
	}
	lengthEnd := need
	if masked := header[1]&0x80 != 0; masked {
		need += 4
	}
	if len(header) < need {
		return 0, false
	}
	switch lengthEnd {
	case 4:
		length = uint64(binary.BigEndian.Uint16(header[2:4]))
	case 10:
		length = binary.BigEndian.Uint64(header[2:10])
	}
	return length, true
}

// CloseCode is the reason why a WebSocket is closed (RFC 6455 section 7.4.1).
type CloseCode uint16

// The codes that a gateway sends.
const (
	GoingAway       CloseCode = 1001
	PolicyViolation CloseCode = 1008
)

// closeFrame returns a frame that closes a WebSocket. Frames to a server must be masked
// (section 5.3); the mask of zeros does not change the payload.
func closeFrame(code CloseCode, masked bool) []byte {
	frame := []byte{0x88, 2} // FIN and the opcode of close; two bytes of payload
	if masked {
		frame = append(frame[:1], 0x80|2, 0, 0, 0, 0)
	}
	return binary.BigEndian.AppendUint16(frame, uint16(code))
}
