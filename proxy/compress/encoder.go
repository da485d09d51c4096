package compress

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"gatehouse/config"
)

// The levels give most of the gain at a cost that a gateway can bear. The windows bound the
// memory of one stream, here and at the client: with them, an encoder needs at most 2 MiB.
// RFC 9659 allows a window of 8 MiB for zstd.
const (
	gzipLevel    = 5
	brotliLevel  = 4
	brotliWindow = 16 // 2^16 bytes: 64 KiB
	zstdWindow   = 256 << 10
)

// maxStreams is how many answers are compressed at the same time. Clients that do not read
// can keep so many encoders, and no more.
const maxStreams = 128

// encoder compresses one stream at a time. It starts no goroutines.
type encoder interface {
	io.WriteCloser
	// Flush writes all that was written so far, so that the client can decode it.
	Flush() error
	// Reset begins a new stream.
	Reset(w io.Writer)
}

// Encoders has the encoders that no stream uses at the moment. All routes of a table
// share them.
type Encoders struct {
	gzip, brotli, zstd sync.Pool

	inUse atomic.Int64
}

func (e *Encoders) pool(coding config.Coding) *sync.Pool {
	switch coding {
	case config.CodingGzip:
		return &e.gzip
	case config.CodingBrotli:
		return &e.brotli
	default:
		return &e.zstd
	}
}

// get returns an encoder that writes to w, or nil when maxStreams are in use.
func (e *Encoders) get(coding config.Coding, w io.Writer) encoder {
	if e.inUse.Add(1) > maxStreams {
		e.inUse.Add(-1)
		return nil
	}
	if used, ok := e.pool(coding).Get().(encoder); ok {
		used.Reset(w)
		return used
	}
	return newEncoder(coding, w)
}

// put takes back an encoder. Its stream may be incomplete.
func (e *Encoders) put(coding config.Coding, used encoder) {
	used.Reset(io.Discard) // keeps no reference to the stream
	e.pool(coding).Put(used)
	e.inUse.Add(-1)
}

func newEncoder(coding config.Coding, w io.Writer) encoder {
	switch coding {
	case config.CodingGzip:
		made, err := gzip.NewWriterLevel(w, gzipLevel)
		if err != nil {
			panic(fmt.Sprintf("compress: gzip: %v", err)) // the level is a constant
		}
		return made
	case config.CodingBrotli:
		return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: brotliLevel, LGWin: brotliWindow})
	default:
		made, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
		if err != nil {
			panic(fmt.Sprintf("compress: zstd: %v", err)) // the options are constants
		}
		return made
	}
}
