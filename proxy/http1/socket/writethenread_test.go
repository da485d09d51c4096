//go:build unix

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// eachLook runs a test with and without a check for bytes before the write.
func eachLook(t *testing.T, test func(t *testing.T, connect func() pair, look bool)) {
	t.Helper()
	each(t, func(t *testing.T, connect func() pair) {
		for _, look := range []bool{true, false} {
			t.Run("look "+strconv.FormatBool(look), func(t *testing.T) { test(t, connect, look) })
		}
	})
}

// saying returns a function that writes a text.
func saying(s *Socket, text string) func() error {
	return func() error {
		_, err := s.Write([]byte(text))
		return err
	}
}

func TestTurn(t *testing.T) {
	eachLook(t, func(t *testing.T, connect func() pair, look bool) {
		p := connect()
		s := New(p.ours)
		buffer := make([]byte, 10)
		for range 3 {
			done := later(func() (int, error) { return s.WriteThenRead(look, saying(s, "question"), buffer) })
			if got := p.hear(t, 8); got != "question" {
				t.Errorf("heard %q", got)
			}
			waitParked(t)
			p.say(t, "answer")
			if o := testkit.Receive(t, "its end", done); o.err != nil || string(buffer[:o.n]) != "answer" {
				t.Errorf("read %q, %v", buffer[:o.n], o.err)
			}
		}
	})
}

// The answers of the other side are not missed, however fast it is.
func TestWriteThenReadLoad(t *testing.T) {
	eachLook(t, func(t *testing.T, connect func() pair, look bool) {
		p := connect()
		s := New(p.ours)
		go func() { io.Copy(p.theirs, p.theirs) }()
		buffer := make([]byte, 10)
		for i := range 2000 {
			text := strconv.Itoa(i)
			n, err := s.WriteThenRead(look, saying(s, text), buffer)
			if got := string(buffer[:n]); got != text || err != nil {
				t.Fatalf("read %q, %v; want %q", got, err, text)
			}
		}
	})
}

// Bytes that come between the check and the wait are not missed.
func TestTurnAnsweredWhileSpeaking(t *testing.T) {
	eachLook(t, func(t *testing.T, connect func() pair, look bool) {
		p := connect()
		s := New(p.ours)
		buffer := make([]byte, 10)
		n, err := s.WriteThenRead(look, func() error {
			if _, err := s.Write([]byte("question")); err != nil {
				return err
			}
			p.hear(t, 8)
			p.said(t, "answer")
			return nil
		}, buffer)
		if got := string(buffer[:n]); got != "answer" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// A write that does not fit into the buffers waits for the other side.
func TestTurnLong(t *testing.T) {
	eachLook(t, func(t *testing.T, connect func() pair, look bool) {
		p := connect()
		s := New(p.ours)
		const length = 16 << 20
		done := later(func() (int, error) {
			return s.WriteThenRead(look, saying(s, string(make([]byte, length))), make([]byte, 10))
		})
		waitParked(t)
		p.say(t, "early") // and is read afterwards
		p.hear(t, length)
		if o := testkit.Receive(t, "its end", done); o.n != 5 || o.err != nil {
			t.Errorf("read %d, %v", o.n, o.err)
		}
	})
}

// Bytes that come too early are found by the check. Without the check they are read.
func TestTurnSpoken(t *testing.T) {
	each(t, func(t *testing.T, connect func() pair) {
		for name, early := range map[string]struct {
			do   func(t testing.TB, p pair)
			n    int
			want error
		}{
			"said":                {func(t testing.TB, p pair) { p.said(t, "early") }, 5, nil},
			"finished":            {func(t testing.TB, p pair) { p.finish(t) }, 0, io.EOF},
			"said, then finished": {func(t testing.TB, p pair) { p.said(t, "early"); p.finish(t) }, 5, nil},
		} {
			t.Run(name+", looked", func(t *testing.T) {
				p := connect()
				s := New(p.ours)
				early.do(t, p)
				n, err := s.WriteThenRead(true, func() error { t.Error("it speaks"); return nil }, make([]byte, 10))
				if n != 0 || !errors.Is(err, ErrStale) {
					t.Errorf("read %d, %v; want %v", n, err, ErrStale)
				}
				if n, err := s.Read(make([]byte, 10)); n != early.n || !errors.Is(err, early.want) {
					t.Errorf("then read %d, %v; want %d, %v", n, err, early.n, early.want)
				}
			})
			t.Run(name+", not looked", func(t *testing.T) {
				p := connect()
				s := New(p.ours)
				early.do(t, p)
				n, err := s.WriteThenRead(false, saying(s, "question"), make([]byte, 10))
				if n != early.n || !errors.Is(err, early.want) {
					t.Errorf("read %d, %v; want %d, %v", n, err, early.n, early.want)
				}
				if got := p.hear(t, 8); got != "question" {
					t.Errorf("heard %q", got)
				}
			})
		}
	})
}

// A connection that was reset is not idle, and gives no answer.
func TestTurnReset(t *testing.T) {
	for _, look := range []bool{true, false} {
		p := connect(t, "tcp")
		s := New(p.ours)
		p.reset(t)
		if look {
			p.waitHeard(t) // and an error is told once
		}
		spoken := false
		_, err := s.WriteThenRead(look, func() error { spoken = true; return nil }, make([]byte, 10))
		if look && (spoken || !errors.Is(err, ErrStale)) {
			t.Errorf("got %v, spoken: %t; want %v", err, spoken, ErrStale)
		}
		if !look {
			wantFault(t, err, "read", p, syscall.ECONNRESET)
		}
	}
}

// When the write fails, nothing is read.
func TestTurnUnspoken(t *testing.T) {
	errMute := errors.New("mute")
	eachLook(t, func(t *testing.T, connect func() pair, look bool) {
		p := connect()
		s := New(p.ours)
		n, err := s.WriteThenRead(look, func() error { return errMute }, make([]byte, 10))
		if n != 0 || err != errMute { //nolint:errorlint // it is told as it is
			t.Errorf("read %d, %v", n, err)
		}
		p.said(t, "answer")
		if n, err := s.WriteThenRead(false, func() error { return nil }, make([]byte, 10)); n != 6 || err != nil {
			t.Errorf("then read %d, %v", n, err)
		}
	})
}

func TestTurnDisturbed(t *testing.T) {
	eachLook(t, func(t *testing.T, connect func() pair, look bool) {
		for _, c := range disturbedCases {
			t.Run(c.name, func(t *testing.T) {
				p := connect()
				s := New(p.ours)
				n := c.test(t, "read", p, func() (int, error) { return s.WriteThenRead(look, saying(s, "question"), make([]byte, 10)) })
				if n != 0 {
					t.Errorf("read %d", n)
				}
			})
		}
		for name, c := range map[string]struct {
			then func(p pair)
			want error
		}{
			"closed": {func(p pair) { go p.ours.Close() }, net.ErrClosed}, // by another, says WriteThenRead
			"late":   {func(p pair) { _ = p.ours.SetReadDeadline(past) }, os.ErrDeadlineExceeded},
			"ended":  {func(p pair) { p.theirs.Close() }, io.EOF},
		} {
			t.Run(name+" while it speaks", func(t *testing.T) {
				p := connect()
				s := New(p.ours)
				n, err := s.WriteThenRead(look, func() error { c.then(p); return nil }, make([]byte, 10))
				if n != 0 || !errors.Is(err, c.want) {
					t.Errorf("read %d, %v; want %v", n, err, c.want)
				}
			})
		}
	})
}

// A call that has ended in any way does not affect the next.
func TestTurnAfterTurn(t *testing.T) {
	eachLook(t, func(t *testing.T, connect func() pair, look bool) {
		p := connect()
		s := New(p.ours)
		_ = p.ours.SetReadDeadline(past)
		_, err := s.WriteThenRead(look, saying(s, "question"), make([]byte, 10))
		wantFault(t, err, "read", p, os.ErrDeadlineExceeded)
		_ = p.ours.SetReadDeadline(time.Now().Add(testkit.Timeout))
		done := later(func() (int, error) { return s.WriteThenRead(look, saying(s, "again"), make([]byte, 10)) })
		if got := p.hear(t, 5); got != "again" {
			t.Errorf("heard %q: what was too late was said", got)
		}
		p.say(t, "answer")
		if o := testkit.Receive(t, "its end", done); o.n != 6 || o.err != nil {
			t.Errorf("read %d, %v", o.n, o.err)
		}
	})
}

func TestIsQuiet(t *testing.T) {
	cases := map[string]struct {
		do   func(t testing.TB, p pair)
		want bool
	}{
		"quiet":         {func(testing.TB, pair) {}, true},
		"spoken to":     {func(_ testing.TB, p pair) { p.ours.Write([]byte("x")) }, true},
		"said":          {func(t testing.TB, p pair) { p.said(t, "x") }, false},
		"finished":      {func(t testing.TB, p pair) { p.finish(t) }, false},
		"closed":        {func(t testing.TB, p pair) { p.theirs.Close(); p.waitHeard(t) }, false},
		"closed by us":  {func(_ testing.TB, p pair) { p.ours.Close() }, false},
		"said and read": {func(t testing.TB, p pair) { p.said(t, "x"); _, _ = p.ours.Read(make([]byte, 1)) }, true},
	}
	each(t, func(t *testing.T, connect func() pair) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				p := connect()
				s := New(p.ours)
				c.do(t, p)
				for range 2 { // it takes nothing away
					if got := s.IsIdle(); got != c.want {
						t.Errorf("quiet is %t, want %t", got, c.want)
					}
				}
			})
		}
	})
	t.Run("reset", func(t *testing.T) {
		p := connect(t, "tcp")
		p.reset(t)
		if s := New(p.ours); s.IsIdle() {
			t.Error("it is quiet")
		}
	})
}
