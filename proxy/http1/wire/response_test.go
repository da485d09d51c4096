package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// responseCases are answers. Each says whether its head is simple for a GET.
var responseCases = []struct {
	name, raw string
	plain     bool
}{
	{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", true},
	{"length 0", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
	{"length with noughts", "HTTP/1.1 200 OK\r\nContent-Length: 005\r\n\r\nhello", true},
	{"more than the length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello", true},
	{"less than the length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true},
	{"an error", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", true},
	{"205", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", true},
	{"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", true},
	{"a reason of blanks", "HTTP/1.1 200   OK  \r\nContent-Length: 0\r\n\r\n", true},
	{"a reason beyond ASCII", "HTTP/1.1 200 \xff\xc3\xa4\t\r\nContent-Length: 0\r\n\r\n", true},
	{"status 999", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", true},
	{"close", "HTTP/1.1 200 OK\r\nconnection: cLOSE\r\nContent-Length: 5\r\n\r\nhello", true},
	{"keep-alive", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", true},
	{"Pragma", "HTTP/1.1 200 OK\r\nPragma: no-cache\r\nContent-Length: 5\r\n\r\nhello", true},
	{"cookies", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\nContent-Length: 5\r\n\r\nhello", true},
	{"an upgrade that is offered", "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello", true},

	{"nothing", "\r\n\r\n", false},
	{"100", "HTTP/1.1 100 Continue\r\n\r\n", false},
	{"101", "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n", false},
	{"103", "HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n", false},
	{"204", "HTTP/1.1 204 No Content\r\n\r\n", false},
	{"204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", false},
	{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false},
	{"until it closes", "HTTP/1.1 200 OK\r\n\r\nhello", false},
	{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
	{"chunks and a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
	{"a trailer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTrailer: X-A\r\n\r\nhello", false},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"another protocol", "ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"two blanks", "HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"nothing behind the status", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", false},
	{"a tab behind the status", "HTTP/1.1 200\tOK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"status with a sign", "HTTP/1.1 +20 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"status with a line", "HTTP/1.1 2_0 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"status with a letter", "HTTP/1.1 20x OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"status 099", "HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"a NUL in the reason", "HTTP/1.1 200 O\x00K\r\nContent-Length: 5\r\n\r\nhello", false},
	{"a carriage return in the reason", "HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello", false},
	{"bare newlines", "HTTP/1.1 200 OK\nContent-Length: 5\n\nX: \r\n\r\n", false},
	{"a bare end before the end", "HTTP/1.1 200 OK\r\nContent-Length: 5\n\nX: y\r\n\r\n", false},
	{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false},
	{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello", false},
	{"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", false},
	{"no length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", false},
	{"a name with a blank", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX A: b\r\n\r\nhello", false},
	{"a line that goes on", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n c\r\n\r\nhello", false},
	{"close among others", "HTTP/1.1 200 OK\r\nConnection: x-a, close\r\nContent-Length: 5\r\n\r\nhello", false},
	{"close twice", "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", false},
	{"clo\u017fe is not close", "HTTP/1.1 200 OK\r\nConnection: clo\u017fe\r\nContent-Length: 5\r\n\r\nhello", false},
}

func TestResponse(t *testing.T) {
	for _, c := range responseCases {
		t.Run(c.name, func(t *testing.T) {
			for method, ok := range map[string]bool{"GET": c.plain, "": c.plain, "POST": c.plain, "CONNECT": c.plain, "HEAD": false} {
				if got := wantAsClient(t, []byte(c.raw), method); got != ok {
					t.Errorf("plain for %q is %t, want %t", method, got, ok)
				}
			}
		})
	}
}

// FuzzResponse checks that a parsed response equals the one that net/http's client
// returns.
func FuzzResponse(f *testing.F) {
	for _, c := range responseCases {
		f.Add([]byte(c.raw), "GET")
	}
	f.Add([]byte(responseCases[0].raw), "HEAD")
	f.Add([]byte(responseCases[0].raw), "")
	f.Fuzz(func(t *testing.T, data []byte, method string) { wantAsClient(t, data, method) })
}

// answeredAs returns the response that net/http's client returns for a head.
type answeredAs struct {
	Status, Proto      string
	Code, Major, Minor int
	Header             http.Header
	Length             int64
	Close              bool
	Coding             []string
	Trailer            http.Header
}

func asAnswered(r *http.Response) answeredAs {
	return answeredAs{r.Status, r.Proto, r.StatusCode, r.ProtoMajor, r.ProtoMinor, r.Header, r.ContentLength, r.Close, r.TransferEncoding, r.Trailer}
}

// wantAsClient fails when Response parses the head of data, but not as net/http does.
func wantAsClient(t *testing.T, data []byte, method string) (ok bool) {
	t.Helper()
	end := HeadEnd(data)
	if end == 0 {
		return false
	}
	got, ok := Response(string(data[:end]), method)
	if !ok {
		if got != nil {
			t.Errorf("%q is not plain, and gives %v", data, got)
		}
		return false
	}
	in := bufio.NewReaderSize(bytes.NewReader(data), len(data)+16)
	want, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q is taken, of which net/http says: %v", data, err)
	}
	if diff := cmp.Diff(asAnswered(want), asAnswered(got)); diff != "" {
		t.Errorf("%q (-net/http +ours): %s", data, diff)
	}
	if read := len(data) - in.Buffered(); read != end {
		t.Errorf("%q ends at %d for net/http, at %d for us", data, read, end)
	}
	wantBody(t, want, data[end:], got.ContentLength)
	return true
}

// wantBody fails unless net/http reads this number of the remaining bytes as the body.
func wantBody(t *testing.T, res *http.Response, rest []byte, length int64) {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	switch whole := int64(len(rest)) >= length; {
	case whole && (err != nil || !bytes.Equal(body, rest[:length])):
		t.Errorf("net/http reads the body %q, %v; want %q", body, err, rest[:length])
	case !whole && (!errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(body, rest)):
		t.Errorf("net/http reads the body %q, %v; want half a body: %q", body, err, rest)
	}
}
