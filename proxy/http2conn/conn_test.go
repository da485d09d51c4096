package http2conn

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames returns what a client sends: settings, a request whose block is divided, data,
// and trailers.
func frames(t *testing.T, block []byte) []byte {
	t.Helper()
	var sent bytes.Buffer
	framer := http2.NewFramer(&sent, nil)
	third := len(block) / 3
	for _, err := range []error{
		framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}),
		framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: block[:third], PadLength: 7, Priority: http2.PriorityParam{StreamDep: 5, Weight: 3},
		}),
		framer.WriteContinuation(1, false, block[third:2*third]),
		framer.WriteContinuation(1, true, block[2*third:]),
		framer.WriteDataPadded(1, false, bytes.Repeat([]byte("data"), 5000)[:16<<10-1-9], make([]byte, 9)),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("\x00\x01a\x01b"), EndStream: true, EndHeaders: true}),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block, PadLength: 9, EndStream: true, EndHeaders: true}),
		framer.WritePing(false, [8]byte{1}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return sent.Bytes()
}

// TestReader passes on frames that arrive in one piece and byte by byte. What the server
// accepts stays as it is.
func TestReader(t *testing.T) {
	t.Parallel()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range ordinary {
		_ = encoder.WriteField(f)
	}
	sent := frames(t, block.Bytes())
	for name, in := range map[string]io.Reader{"whole": bytes.NewReader(sent), "bytes": iotest.OneByteReader(bytes.NewReader(sent))} {
		if got, err := io.ReadAll(&reader{conn: in, limit: testLimit}); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %v, %d bytes became %d", name, err, len(sent), len(got))
		}
	}
}

// TestReaderChanges passes on frames with a block that is changed.
func TestReaderChanges(t *testing.T) {
	t.Parallel()
	block := []byte("\x82\x87\x84\x00\x0aconnection\x05close")
	for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := http2.NewFramer(nil, &reader{conn: wrap(bytes.NewReader(frames(t, block))), limit: testLimit})
			server.ReadMetaHeaders = hpack.NewDecoder(maxTable, nil)
			var got []string
			for {
				frame, err := server.ReadFrame()
				if err == io.EOF { //nolint:errorlint // ReadFrame returns it as it is
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				text := frame.Header().Type.String()
				if headers, ok := frame.(*http2.MetaHeadersFrame); ok {
					for _, f := range headers.Fields {
						text += " " + f.Name + "=" + f.Value
					}
					if headers.HasPriority() {
						text += " " + string('0'+rune(headers.Priority.Weight))
					}
					if headers.StreamEnded() {
						text += " end"
					}
				}
				got = append(got, text)
			}
			const marked = " :method=GET :scheme=https :path=/ gatehouse-refuse=400"
			want := []string{"SETTINGS", "HEADERS" + marked + " 3", "DATA", "HEADERS a=b end", "HEADERS" + marked + " end", "PING"}
			if !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

// TestReaderGivesUp checks that what is no header block is passed on as it is, for the
// server to refuse.
func TestReaderGivesUp(t *testing.T) {
	t.Parallel()
	const refused = "\x00\x00\x14\x01\x05\x00\x00\x00\x03\x82\x87\x00\x0aconnection\x05close"
	large := "\x00\x40\x00\x01\x00\x00\x00\x00\x01" + strings.Repeat("\x82", 16<<10)
	for name, sent := range map[string]string{
		"other frame within a block":    "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678",
		"other stream within a block":   "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82\x00\x00\x01\x09\x04\x00\x00\x00\x03\x87",
		"padding larger than the frame": "\x00\x00\x02\x01\x0c\x00\x00\x00\x01\x09\x82",
		"no padding length":             "\x00\x00\x00\x01\x0c\x00\x00\x00\x01",
		"priority too short":            "\x00\x00\x02\x01\x24\x00\x00\x00\x01\x09\x82",
		"malformed block":               "\x00\x00\x01\x01\x04\x00\x00\x00\x01\x80",
		"too large":                     large,
		"too large together":            "\x00\x20\x00\x01\x00\x00\x00\x00\x01" + strings.Repeat("\x82", 8<<10) + strings.Repeat("\x00\x10\x00\x09\x00\x00\x00\x00\x01"+strings.Repeat("\x82", 4<<10), 2),
	} {
		sent += refused
		got, err := io.ReadAll(&reader{conn: strings.NewReader(sent), limit: testLimit})
		if err != nil || string(got) != sent {
			t.Errorf("%s: %v, %.100q became %.100q", name, err, sent, got)
		}
	}
}

// TestReaderEnds checks the end of the connection within a frame.
func TestReaderEnds(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{"\x00\x00", "\x00\x00\x05\x01\x04\x00\x00\x00\x01\x82", "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82\x00"} {
		got, err := io.ReadAll(&reader{conn: strings.NewReader(sent), limit: testLimit})
		if err != io.ErrUnexpectedEOF || len(got) > 0 { //nolint:errorlint // net/http compares it in the same way
			t.Errorf("%q: %q, %v", sent, got, err)
		}
	}
	if _, err := io.ReadAll(&reader{conn: strings.NewReader(strings.Repeat("x", 100)), limit: testLimit, preface: true}); err != errPreface { //nolint:errorlint // it is not wrapped
		t.Errorf("without a preface: %v", err)
	}
	sent := http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	if got, err := io.ReadAll(&reader{conn: strings.NewReader(sent), limit: testLimit, preface: true}); err != nil || len(got) != headerSize {
		t.Errorf("with a preface: %q, %v", got, err)
	}
}

// FuzzReader checks that any stream of frames without headers stays as it is, and that
// none makes the reader fail.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x01\x04\x00\x00\x00\x01\x82\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"))
	f.Add([]byte("\x00\x00\x05\x01\x2c\x00\x00\x00\x01\x01\x00\x00\x00\x00\x09\x82\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		got, err := io.ReadAll(&reader{conn: bytes.NewReader(sent), limit: testLimit})
		if err == nil && len(got) > len(sent)+len(sent)/headerSize*2*spare {
			t.Errorf("%q became %q", sent, got)
		}
	})
}

// TestEnded checks which frames of the server are reported, however they are divided.
func TestEnded(t *testing.T) {
	t.Parallel()
	var sent bytes.Buffer
	framer := http2.NewFramer(&sent, nil)
	for _, err := range []error{
		framer.WriteSettings(),
		framer.WriteData(1, true, []byte("\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x01")), // looks like an error
		framer.WriteRSTStream(1, http2.ErrCodeProtocol),
		framer.WriteRSTStream(3, http2.ErrCodeNo),
		framer.WriteRSTStream(5, http2.ErrCodeInternal),
		framer.WriteRSTStream(7, http2.ErrCodeFlowControl),
		framer.WriteGoAway(7, http2.ErrCodeNo, []byte("bye")),
		framer.WritePing(true, [8]byte{}),
		framer.WriteGoAway(7, http2.ErrCodeCompression, []byte("bye")),
		framer.WriteGoAway(7, http2.ErrCodeFrameSize, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"stream_PROTOCOL_ERROR", "stream_FLOW_CONTROL_ERROR", "connection_COMPRESSION_ERROR", "connection_FRAME_SIZE_ERROR"}
	for _, size := range []int{1, 2, 8, 13, 1000} {
		var got []string
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		conn := New(ours, Options{Ended: func(name string) { got = append(got, name) }})
		for part := range slices.Chunk(sent.Bytes(), size) {
			if _, err := conn.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d bytes at a time: %q, want %q", size, got, want)
		}
		_, _ = ours.Close(), theirs.Close()
	}
}
