package http2conn

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"golang.org/x/net/http2"
)

// headerSize is the size of a frame's header (RFC 9113 section 4.1).
const headerSize = 9

// reader passes on what a client sends, in whole header blocks.
type reader struct {
	conn    io.Reader
	limit   int    // of a header, in bytes
	preface bool   // it comes first, and is not passed on
	ready   []byte // to be passed on before anything is read
	rest    int    // bytes of the current frame that are not read; they are passed on
	raw     []byte // the frames of one header block
	block   []byte // the block, if it has several frames
	blind   bool   // blocks are passed on as they are, because one was malformed
	lost    bool   // a block was cut, so the server cannot decode the next ones
	table   table
	latest  uint32 // stream
}

var errPreface = errors.New("the preface of HTTP/2 is missing")

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.ready) == 0 && r.rest == 0 {
		if err := r.readFrame(); err != nil {
			return 0, err
		}
	}
	if len(r.ready) > 0 {
		n := copy(p, r.ready)
		r.ready = r.ready[n:]
		return n, nil
	}
	n, err := r.conn.Read(p[:min(len(p), r.rest)])
	r.rest -= n
	return n, err
}

// frameHeader is the header of a frame.
type frameHeader struct {
	length int
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
}

// readHeader reads the header of the next frame and appends it to raw.
func (r *reader) readHeader() (h frameHeader, err error) {
	if err := r.readMore(headerSize); err != nil {
		return h, err
	}
	b := r.raw[len(r.raw)-headerSize:]
	return frameHeader{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]), kind: http2.FrameType(b[3]), flags: http2.Flags(b[4]),
		stream: binary.BigEndian.Uint32(b[5:]),
	}, nil
}

// readMore reads n bytes and appends them to raw.
func (r *reader) readMore(n int) error {
	begin := len(r.raw)
	r.raw = slices.Grow(r.raw, n)[:begin+n]
	_, err := io.ReadFull(r.conn, r.raw[begin:])
	return err
}

// maxBuffer is how much memory a connection keeps between two blocks.
const maxBuffer = 4 << 10

// readFrame reads the header of a frame that is passed on as it is, or a whole header
// block.
func (r *reader) readFrame() error {
	if r.preface {
		r.preface = false
		if err := r.readPreface(); err != nil {
			return err
		}
	}
	if r.raw = r.raw[:0]; cap(r.raw) > maxBuffer {
		r.raw = nil
	}
	h, err := r.readHeader()
	if err != nil {
		return err
	}
	if h.kind == http2.FrameHeaders && !r.blind {
		return r.readBlock(h)
	}
	r.ready, r.rest = r.raw, h.length
	return nil
}

func (r *reader) readPreface() error {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(r.conn, preface); err != nil {
		return err
	}
	if string(preface) != http2.ClientPreface {
		return errPreface
	}
	return nil
}

// readBlock reads the frames of a header block. It stops at a frame that does not belong
// to the block, and when the block is larger than any that the server reads: with both,
// the server ends the connection.
func (r *reader) readBlock(first frameHeader) error {
	r.block = nil
	priority, h := []byte(nil), first
	for {
		if len(r.raw)+h.length > 2*r.limit+maxBuffer {
			return r.giveUp(h.length)
		}
		begin := len(r.raw)
		if err := r.readMore(h.length); err != nil {
			return err
		}
		payload := r.raw[begin:]
		if h.kind == http2.FrameHeaders {
			var ok bool
			if priority, payload, ok = headersPayload(h.flags, payload); !ok {
				return r.giveUp(0)
			}
		}
		ended := h.flags.Has(http2.FlagHeadersEndHeaders)
		if ended && h.kind == http2.FrameHeaders {
			r.block = payload
			break
		}
		r.block = append(r.block, payload...)
		if ended {
			break
		}
		next, err := r.readHeader()
		if err != nil {
			return err
		}
		if next.kind != http2.FrameContinuation || next.stream != first.stream {
			return r.giveUp(next.length)
		}
		h = next
	}
	r.ready = r.raw
	isRequest := first.stream > r.latest
	r.latest = max(r.latest, first.stream)
	if r.lost {
		r.ready = appendHeaders(nil, first, nil, lostBlock(isRequest))
		return nil
	}
	instead, v := r.table.read(r.block, r.limit, isRequest)
	switch v {
	case changeBlock, cutBlock:
		r.ready = appendHeaders(nil, first, priority, instead)
		r.lost = v == cutBlock
	case badBlock:
		r.blind = true
	case passBlock:
	}
	return nil
}

// lostBlock returns what the server gets in place of a block that it cannot decode any
// more: trailers without fields, or a request with a malformed name, whose stream it ends.
func lostBlock(isRequest bool) []byte {
	if !isRequest {
		return nil
	}
	return []byte("\x00\x01X\x00")
}

// giveUp passes on what was read, and all later blocks, as they are.
func (r *reader) giveUp(rest int) error {
	r.blind = true
	r.ready, r.rest = r.raw, rest
	return nil
}

// headersPayload returns the priority and the fields of a HEADERS frame, without its
// padding (RFC 9113 section 6.2).
func headersPayload(flags http2.Flags, payload []byte) (priority, fields []byte, ok bool) {
	padding := 0
	if flags.Has(http2.FlagHeadersPadded) {
		if len(payload) == 0 {
			return nil, nil, false
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if flags.Has(http2.FlagHeadersPriority) {
		if len(payload) < prioritySize {
			return nil, nil, false
		}
		priority, payload = payload[:prioritySize], payload[prioritySize:]
	}
	if padding > len(payload) {
		return nil, nil, false
	}
	return priority, payload[:len(payload)-padding], true
}

// prioritySize is the size of a stream dependency and its weight.
const prioritySize = 5

// appendHeaders appends one HEADERS frame with a whole block. The server accepts frames
// that are as large as the blocks that the reader reads.
func appendHeaders(b []byte, h frameHeader, priority, block []byte) []byte {
	length := len(priority) + len(block)
	flags := h.flags&^(http2.FlagHeadersPadded|http2.FlagHeadersPriority) | http2.FlagHeadersEndHeaders
	if len(priority) > 0 {
		flags |= http2.FlagHeadersPriority
	}
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(http2.FrameHeaders), byte(flags))
	b = binary.BigEndian.AppendUint32(b, h.stream)
	return append(append(b, priority...), block...)
}
