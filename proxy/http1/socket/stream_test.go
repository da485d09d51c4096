//go:build unix

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/testkit"
)

func TestRead(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		s := New(p.ours)
		p.said(t, "hello")
		for _, want := range []string{"he", "ll", "o"} {
			buffer := make([]byte, 2)
			n, err := s.Read(buffer)
			if got := string(buffer[:n]); got != want || err != nil {
				t.Errorf("read %q, %v; want %q", got, err, want)
			}
		}
		p.finish(t)
		for range 2 {
			if n, err := s.Read(make([]byte, 2)); n != 0 || err != io.EOF { //nolint:errorlint // as an io.Reader gives it
				t.Errorf("read %d, %v; want the end", n, err)
			}
		}
	})
}

func TestReadWaits(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		s := New(p.ours)
		buffer := make([]byte, 10)
		for _, what := range []string{"hello", "again"} {
			done := later(func() (int, error) { return s.Read(buffer) })
			waitParked(t)
			p.say(t, what)
			if o := testkit.Receive(t, "its end", done); o.err != nil || string(buffer[:o.n]) != what {
				t.Errorf("read %q, %v; want %q", buffer[:o.n], o.err, what)
			}
		}
	})
}

// A read or write of no bytes is not the end of the stream, and the end is not a read of
// no bytes.
func TestNothing(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		s := New(p.ours)
		for _, nothing := range [][]byte{nil, {}, make([]byte, 0, 10)} {
			if n, err := s.Read(nothing); n != 0 || err != nil {
				t.Errorf("read %d, %v", n, err)
			}
			if n, err := s.Write(nothing); n != 0 || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
		}
		if _, err := s.Write([]byte("x")); err != nil || p.hear(t, 1) != "x" {
			t.Errorf("wrote nothing more: %v", err)
		}
	})
}

// A write that is larger than all buffers continues while the other side reads.
func TestWriteInRounds(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		s := New(p.ours)
		rounds, step := 0, s.writer.step
		s.writer.step = func(fd uintptr) bool {
			rounds++
			return step(fd)
		}
		content := bytes.Repeat([]byte("0123456789abcdef!"), 1<<20)
		done := later(func() (int, error) { return s.Write(content) })
		waitParked(t)
		if got := p.hear(t, len(content)); got != string(content) {
			t.Error("what arrived is not what was written")
		}
		if o := testkit.Receive(t, "its end", done); o.n != len(content) || o.err != nil {
			t.Errorf("wrote %d of %d bytes: %v", o.n, len(content), o.err)
		}
		if rounds < 2 {
			t.Errorf("it took %d round", rounds)
		}
	})
}

// Concurrent writes are not mixed.
func TestWritersDoNotMix(t *testing.T) {
	const writers, times, length = 8, 4, 300_001
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		s := New(p.ours)
		var all sync.WaitGroup
		for n := range writers {
			block := bytes.Repeat([]byte{byte('a' + n)}, length)
			all.Go(func() {
				for range times {
					if n, err := s.Write(block); n != length || err != nil {
						t.Errorf("wrote %d, %v", n, err)
					}
				}
			})
		}
		for range writers * times {
			block := p.hear(t, length)
			if strings.Trim(block, block[:1]) != "" {
				t.Fatal("two writes are mixed")
			}
		}
		all.Wait()
	})
}

// Concurrent readers get each byte once.
func TestReadersShare(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		s := New(p.ours)
		var mu sync.Mutex
		counts := map[byte]int{}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				buffer := make([]byte, 100)
				for {
					n, err := s.Read(buffer)
					mu.Lock()
					for _, char := range buffer[:n] {
						counts[char]++
					}
					mu.Unlock()
					if err != nil {
						if err != io.EOF { //nolint:errorlint // as an io.Reader gives it
							t.Error(err)
						}
						return
					}
				}
			})
		}
		content := bytes.Repeat([]byte("abc"), 20_000)
		if _, err := p.theirs.Write(content); err != nil {
			t.Fatal(err)
		}
		p.theirs.Close()
		all.Wait()
		if counts['a'] != 20_000 || counts['b'] != 20_000 || counts['c'] != 20_000 || len(counts) != 3 {
			t.Errorf("read %v", counts)
		}
	})
}

// Close ends all running calls and leaves no goroutine.
func TestCloseAtAnyTime(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		for range 20 {
			p := connect()
			s := New(p.ours)
			var all sync.WaitGroup
			ended := func(err error) {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("it ended with %v", err)
				}
			}
			for range 2 {
				all.Go(func() {
					var err error
					for err == nil {
						_, err = s.Read(make([]byte, 1000))
					}
					ended(err)
				})
				all.Go(func() {
					var err error
					for err == nil {
						_, err = s.Write(make([]byte, 100_000))
					}
					ended(err)
				})
			}
			p.hear(t, 50_000) // all is under way
			for range 2 {
				all.Go(func() { p.ours.Close() })
			}
			all.Wait()
			p.theirs.Close()
		}
	})
}
