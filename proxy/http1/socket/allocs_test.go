//go:build unix

package socket

import (
	"io"
	"testing"
)

// TestTakesNoMemory checks that a read, a write and a WriteThenRead do not allocate.
func TestTakesNoMemory(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		p := connect()
		s := New(p.ours)
		go echo(p.theirs)
		buffer, text := make([]byte, 5), []byte("hello")
		speak := func() error { _, err := s.Write(text); return err }
		for name, do := range map[string]func() (int, error){
			"write and read": func() (int, error) {
				if _, err := s.Write(text); err != nil {
					return 0, err
				}
				n, err := s.Read(buffer)
				return n, err
			},
			"turn after a look":   func() (int, error) { return s.WriteThenRead(true, speak, buffer) },
			"turn without a look": func() (int, error) { return s.WriteThenRead(false, speak, buffer) },
			"a look for its own's sake": func() (int, error) {
				if !s.IsIdle() {
					t.Error("it is not quiet")
				}
				return 5, nil
			},
		} {
			allocations := testing.AllocsPerRun(200, func() {
				if n, err := do(); n != 5 || err != nil {
					t.Errorf("%s: read %d, %v", name, n, err)
				}
			})
			if allocations > 0 && !raceEnabled {
				t.Errorf("%s: %v allocations", name, allocations)
			}
		}
	})
}

// echo sends back what it reads, five bytes at a time.
func echo(conn io.ReadWriter) {
	buffer := make([]byte, 5)
	for {
		if _, err := io.ReadFull(conn, buffer); err != nil {
			return
		}
		if _, err := conn.Write(buffer); err != nil {
			return
		}
	}
}

// BenchmarkTurn measures a request and its answer, with two calls of the connection and
// with one WriteThenRead.
func BenchmarkTurn(b *testing.B) {
	text, buffer := []byte("hello"), make([]byte, 5)
	for name, turns := range map[string]func(p pair) func() (int, error){
		"connection": func(p pair) func() (int, error) {
			return func() (int, error) {
				if _, err := p.ours.Write(text); err != nil {
					return 0, err
				}
				return p.ours.Read(buffer)
			}
		},
		"turn": func(p pair) func() (int, error) {
			s := New(p.ours)
			speak := func() error { _, err := s.Write(text); return err }
			return func() (int, error) { return s.WriteThenRead(true, speak, buffer) }
		},
	} {
		b.Run(name, func(b *testing.B) {
			p := connect(b, "tcp")
			_ = p.ours.SetDeadline(never)
			_ = p.theirs.SetDeadline(never)
			turn := turns(p)
			go echo(p.theirs)
			b.ReportAllocs()
			for b.Loop() {
				if n, err := turn(); n != 5 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
