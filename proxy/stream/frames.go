package stream

import "encoding/binary"

// frames follows the frames of one direction of a WebSocket (RFC 6455 section
// 5.2), so that a frame of the gateway's own can be put between two of them.
// It looks at lengths only.
type frames struct {
	header []byte // of the frame that has begun, as far as it has come
	left   uint64 // bytes of its payload still to come
}

// atBoundary reports whether the next byte begins a frame.
func (f *frames) atBoundary() bool { return len(f.header) == 0 && f.left == 0 }

// advance follows bytes on their way, up to the end of all of them or, if
// untilBoundary, to the end of the frame that has begun. It gives how many it
// followed.
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

// payloadLength reads a frame's header; complete is false while it lacks bytes.
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

// CloseCode says why a WebSocket is closed (RFC 6455 section 7.4.1).
type CloseCode uint16

// The codes of a gateway.
const (
	GoingAway       CloseCode = 1001
	PolicyViolation CloseCode = 1008
)

// closeFrame returns a frame that ends a WebSocket. What goes to a server is masked
// (section 5.3); a mask of zeros changes nothing.
func closeFrame(code CloseCode, masked bool) []byte {
	frame := []byte{0x88, 2} // the last fragment of a close; two bytes of payload
	if masked {
		frame = append(frame[:1], 0x80|2, 0, 0, 0, 0)
	}
	return binary.BigEndian.AppendUint16(frame, uint16(code))
}
