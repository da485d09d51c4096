package stream

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// frame returns a WebSocket frame (RFC 6455 section 5.2).
func frame(payload int, masked bool) []byte {
	var mask byte
	if masked {
		mask = 0x80
	}
	made := []byte{0x82}
	switch {
	case payload < 126:
		made = append(made, mask|byte(payload))
	case payload < 1<<16:
		made = binary.BigEndian.AppendUint16(append(made, mask|126), uint16(payload))
	default:
		made = binary.BigEndian.AppendUint64(append(made, mask|127), uint64(payload))
	}
	if masked {
		made = append(made, 1, 2, 3, 4)
	}
	return append(made, make([]byte, payload)...)
}

// TestFrames cuts a series of frames at every byte. A boundary must be reported exactly
// where a frame ends, however the bytes are divided.
func TestFrames(t *testing.T) {
	t.Parallel()
	var stream []byte
	boundary := map[int]bool{0: true}
	for _, f := range [][]byte{
		frame(0, false), frame(0, true), frame(5, false), frame(125, true), frame(126, false),
		frame(300, true), frame(70_000, false), frame(1, true),
	} {
		stream = append(stream, f...)
		boundary[len(stream)] = true
	}
	for _, piece := range []int{1, 2, 3, 7, 1000, len(stream)} {
		var f frames
		for at := 0; at < len(stream); at += piece {
			end := min(at+piece, len(stream))
			if n := f.advance(stream[at:end], false); n != end-at {
				t.Fatalf("pieces of %d: passed %d of %d bytes", piece, n, end-at)
			}
			if f.atBoundary() != boundary[end] {
				t.Fatalf("pieces of %d: between frames at %d is %v", piece, end, f.atBoundary())
			}
		}
	}
}

// TestFramedWriterEndsBetweenFrames calls endWith in the middle of a frame. The frame is
// finished, the close frame follows, and nothing comes after it.
func TestFramedWriterEndsBetweenFrames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	writer := &framedWriter{w: &out}
	first, second := frame(10, false), frame(20, false)
	if _, err := writer.Write(first[:4]); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		writer.endWith(closeFrame(GoingAway, false))
		close(ended)
	}()
	rest := append(bytes.Clone(first[4:]), second...)
	for { // until endWith has taken effect, these bytes belong to the first frame
		writer.mu.Lock()
		asked := writer.final != nil
		writer.mu.Unlock()
		if asked {
			break
		}
	}
	n, err := writer.Write(rest)
	<-ended
	if n != len(first)-4 || err == nil {
		t.Errorf("wrote %d bytes, %v: want the %d of the first frame and an error", n, err, len(first)-4)
	}
	if want := append(bytes.Clone(first), 0x88, 2, 0x03, 0xe9); !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got %x\nwant %x", out.Bytes(), want)
	}
	if got := closeFrame(GoingAway, true); !bytes.Equal(got, []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9}) {
		t.Errorf("masked close frame %x", got)
	}
}
