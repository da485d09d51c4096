package main

// These tests are about what is read: the kernel's accounts, latencies, answers.

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	one, err := parseStat("42 (a) b (c) S 7 42 42 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0 5 6 7")
	if err != nil {
		t.Fatal(err)
	}
	if want := (account{pid: 42, parent: 7, cpu: 1100 * time.Millisecond}); one != want {
		t.Errorf("got %+v, want %+v", one, want)
	}
	for _, wrong := range []string{"", "42 a S 7", "42 (a) S 7 1 2", "x (a) S 7 42 42 0 -1 0 1 2 0 0 11 22 33 44"} {
		if _, err := parseStat(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	forgetPeak(os.Getpid())
	now, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if now.resident < 1<<20 || now.peak < now.resident/2 || now.cpu > time.Hour {
		t.Errorf("got %+v", now)
	}
	if _, err := usageOf(0); err == nil {
		t.Error("a process that is not there has been read")
	}
}

func TestLatencies(t *testing.T) {
	for _, d := range []time.Duration{0, 63, 64, 1000, time.Millisecond, 3 * time.Second, time.Hour} {
		got := middleOf(bucketOf(d))
		if off := got - d; off.Abs() > d/50+1 {
			t.Errorf("%v comes back as %v", d, got)
		}
	}
	var l, other latencies
	for i := range 100 {
		l.add(time.Duration(i) * time.Millisecond)
	}
	other.add(1000 * time.Hour) // past the last bucket
	l.merge(&other)
	if p50 := l.quantile(0.5); p50 < 48*time.Millisecond || p50 > 52*time.Millisecond {
		t.Errorf("got a median of %v", p50)
	}
	if l.quantile(1) < time.Hour {
		t.Errorf("got a maximum of %v", l.quantile(1))
	}
	if none := new(latencies).quantile(0.99); none != 0 {
		t.Errorf("got %v of nothing", none)
	}
}

func TestReadHead(t *testing.T) {
	tests := []struct {
		text string
		want head
		bad  bool
	}{
		{text: "HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 101\r\n\r\n", want: head{status: 200, length: 101}},
		{text: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", want: head{status: 503, closes: true}},
		{text: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", want: head{status: 101, length: -1}},
		{text: "HTTP/1.0 200 OK\r\n\r\n", bad: true},
		{text: "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", bad: true},
		{text: "HTTP/1.1 200 OK\r\n", bad: true},
	}
	for _, tt := range tests {
		got, err := readHead(&connection{reader: bufio.NewReader(strings.NewReader(tt.text))})
		if (err != nil) != tt.bad || !tt.bad && got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.text, got, err)
		}
	}
}

func TestConfigurationsAreFilledIn(t *testing.T) {
	servers := serversOf("127.0.0.1:9012", 2)
	for _, name := range []string{"routes.yaml", "haproxy.cfg", "nginx.conf", "Caddyfile", "backend.conf"} {
		s := scene{
			Folder: t.TempDir(), Address: "127.0.0.1:1234", Backend: "127.0.0.1:5678", Secret: "s",
			Routes: []int{0, 1}, TLS: &certificate{Cert: "c", Key: "k", Both: "b"}, Root: true,
		}
		file, err := s.write(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text); !strings.Contains(got, "1234") && !strings.Contains(got, "5678") || strings.Contains(got, "{{") {
			t.Errorf("%s is not filled in:\n%s", name, got)
		}
		s.Servers = servers
		if file, err = s.write(name); err != nil {
			t.Fatal(err)
		}
		if text, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		for _, server := range servers {
			if !strings.Contains(string(text), server) {
				t.Errorf("%s does not name %s:\n%s", name, server, text)
			}
		}
	}
}

// TestWithoutPath wants a profile that says nothing of where the program was, and is as long as it was.
func TestWithoutPath(t *testing.T) {
	t.Parallel()
	pack := func(text string) []byte {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = io.WriteString(w, text)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return packed.Bytes()
	}
	got, err := withoutPath(pack("a /home/ann/bin/gatehouse b"), "/home/ann/bin/gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	in, err := gzip.NewReader(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(in); err != nil || string(plain) != "a //////////////gatehouse b" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := withoutPath([]byte("no profile"), "x"); err == nil {
		t.Error("what is no profile is taken for one")
	}
}
