package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// countingBackend stores every byte that it gets. It reads requests strictly by RFC 9112. A
// message with unclear framing is a fault of the gateway, whatever the client has sent.
type countingBackend struct {
	t   testing.TB
	url string

	mu       sync.Mutex
	requests []string // "POST /a abc": method, target, body
	partial  int      // incomplete requests, which no backend answers
}

// count serves a backend that answers every complete request with 200.
func count(t testing.TB) *countingBackend {
	t.Helper()
	b := &countingBackend{t: t}
	b.url = "http://" + testkit.ServeRaw(t, b.serve)
	return b
}

func (b *countingBackend) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(testkit.Timeout))
	in := bufio.NewReader(conn)
	for {
		request, err := readNarrowly(in)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed):
			if request != "" {
				b.note("", 1)
			}
			return
		case err != nil:
			if _, isNetwork := errors.AsType[net.Error](err); !isNetwork {
				b.t.Errorf("the backend received %q: %v", request, err)
			}
			return
		}
		b.note(request, 0)
		answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
		if strings.HasPrefix(request, "HEAD ") {
			answer = strings.TrimSuffix(answer, "ok")
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

func (b *countingBackend) note(request string, partial int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.partial += partial
	if request != "" {
		b.requests = append(b.requests, request)
	}
}

func (b *countingBackend) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ /[^\x00-\x20\x7f]* HTTP/1\.1$`)
	headerLine  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[^\x00-\x08\x0a-\x1f\x7f]*$")
	digits      = regexp.MustCompile(`^[0-9]+$`)
	chunkSize   = regexp.MustCompile(`^[0-9a-f]+$`)
)

// readNarrowly reads one request strictly. For an incomplete request it returns the part
// that was read, and io.EOF.
func readNarrowly(in *bufio.Reader) (request string, err error) {
	line, err := readLine(in)
	if err != nil {
		return line, err
	}
	if !requestLine.MatchString(line) {
		return line, errors.New("this is no request line")
	}
	method, rest, _ := strings.Cut(line, " ")
	request = method + " " + strings.TrimSuffix(rest, " HTTP/1.1")
	header := http.Header{}
	for {
		if line, err = readLine(in); err != nil || line == "" {
			break
		}
		if !headerLine.MatchString(line) {
			return line, errors.New("this is no header")
		}
		name, value, _ := strings.Cut(line, ":")
		header.Add(name, strings.TrimSpace(value))
	}
	if err != nil {
		return request, err
	}
	body, err := readBody(in, header)
	return request + " " + body, err
}

// readBody reads a body with one Content-Length, one Transfer-Encoding, or neither.
func readBody(in *bufio.Reader, header http.Header) (string, error) {
	lengths, codings := header["Content-Length"], header["Transfer-Encoding"]
	switch {
	case len(lengths)+len(codings) == 0:
		return "", nil
	case len(lengths)+len(codings) > 1:
		return "", fmt.Errorf("two framings: %v", header)
	case len(codings) == 1:
		if codings[0] != "chunked" {
			return "", fmt.Errorf("coding %q", codings[0])
		}
		return readChunks(in)
	case !digits.MatchString(lengths[0]):
		return "", fmt.Errorf("length %q", lengths[0])
	}
	n, err := strconv.Atoi(lengths[0])
	if err != nil {
		return "", err
	}
	body := make([]byte, n)
	n, err = io.ReadFull(in, body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return string(body[:n]), err
}

func readChunks(in *bufio.Reader) (body string, err error) {
	for {
		line, err := readLine(in)
		if err != nil {
			return body, err
		}
		if !chunkSize.MatchString(line) {
			return body, fmt.Errorf("chunk size %q", line)
		}
		size, err := strconv.ParseUint(line, 16, 32)
		if err != nil {
			return body, err
		}
		if size == 0 {
			break
		}
		piece := make([]byte, size+2)
		if _, err := io.ReadFull(in, piece); err != nil {
			return body, io.EOF
		}
		if !bytes.HasSuffix(piece, []byte("\r\n")) {
			return body, fmt.Errorf("chunk %q does not end", piece)
		}
		body += string(piece[:size])
	}
	for {
		line, err := readLine(in)
		if err != nil || line == "" {
			return body, err
		}
		if !headerLine.MatchString(line) {
			return body, fmt.Errorf("trailer %q", line)
		}
		body += "|" + line
	}
}

// readLine reads up to CRLF. The line must not contain another CR or LF.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return line, err
	}
	text, complete := strings.CutSuffix(line, "\r\n")
	if !complete || strings.ContainsAny(text, "\r\n") {
		return line, errors.New("a bare CR or LF")
	}
	return text, nil
}

// smuggled is the request that no backend may get. It also fits into a body of its own
// length.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Pad: y\r\n\r\n"

// attack is what a client sends over one connection, with all results that are allowed.
type attack struct {
	sent     string
	statuses []int    // of the answers until the connection is closed
	requests []string // complete requests that the backend gets
}

func post(headers, body string) string {
	return "POST /a HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body
}

func chunked(body string) string { return post("Transfer-Encoding: chunked\r\n", body) }

// refused returns an attack that the gateway answers with 4xx or 5xx and Connection: close.
// The backend gets no complete request.
func refused(status int, sent string) attack { return attack{sent, []int{status}, nil} }

// ambiguousFraming are requests that front end and back end have split in different ways
// in known attacks since 2005.
func ambiguousFraming() map[string]attack {
	whole := strconv.Itoa(len(smuggled))
	attacks := map[string]attack{
		// RFC 9112 section 6.1: the transfer coding wins, and the connection ends.
		"CL.TE": {post("Content-Length: "+strconv.Itoa(len(smuggled)+5)+"\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), []int{200}, []string{"POST /a "}},
		"TE.CL": {post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "3\r\nabc\r\n0\r\n\r\n"+smuggled), []int{200}, []string{"POST /a abc"}},
		// RFC 9112 section 6.1: the framing is faulty.
		"HTTP/1.0 with TE": refused(400, "POST /a HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"+smuggled),
		"HTTP/1.0 with TE and CL": refused(400,
			"POST /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"+smuggled),
		"the same length twice": {post("Connection: close\r\nContent-Length: 3\r\nContent-Length: 3\r\n", "abc"), []int{200}, []string{"POST /a abc"}},
		"body of a GET": {
			"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + whole + "\r\n\r\n" + smuggled,
			[]int{200},
			[]string{"GET /a " + smuggled},
		},
		"body of a HEAD":  {"HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + whole + "\r\n\r\n" + smuggled, []int{200}, []string{"HEAD /a " + smuggled}},
		"chunks of a GET": {"GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + smuggled, []int{200}, []string{"GET /a abc"}},
		"a method in the body of a DELETE": {
			"DELETE /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + whole + "\r\n\r\n" + smuggled,
			[]int{200},
			[]string{"DELETE /a " + smuggled},
		},
		"expectation":         {post("Connection: close\r\nExpect: 100-continue\r\nContent-Length: "+whole+"\r\n", smuggled), []int{100, 200}, []string{"POST /a " + smuggled}},
		"unknown expectation": refused(417, post("Expect: 200-ok\r\nContent-Length: "+whole+"\r\n", smuggled)),
		"obs-fold in a value": {post("Connection: close\r\nX-A: b\r\n Content-Length: 99\r\nContent-Length: 3\r\n", "abc"), []int{200}, []string{"POST /a abc"}},
		"folded coding":       {post("Transfer-Encoding:\r\n chunked\r\nContent-Length: 9\r\n", "3\r\nabc\r\n0\r\n\r\n"+smuggled), []int{200}, []string{"POST /a abc"}},
		"bare LF":             {"POST /a HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 3\n\nabc", []int{200}, []string{"POST /a abc"}},
		"an empty line first": refused(400, "\r\n"+post("Content-Length: 3\r\n", "abc"+smuggled)),
		"obs-fold first":      refused(400, "POST /a HTTP/1.1\r\n Host: x\r\nContent-Length: 3\r\n\r\nabc"),
		"two hosts":           refused(400, "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
		"no host":             refused(400, "GET /a HTTP/1.1\r\n\r\n"+smuggled),
		"HTTP/0.9":            refused(400, "GET /a\r\n"+smuggled),
		"HTTP/3.0":            refused(505, "GET /a HTTP/3.0\r\nHost: x\r\n\r\n"+smuggled),
		"HTTP/1.10":           refused(400, "GET /a HTTP/1.10\r\nHost: x\r\n\r\n"+smuggled),
		"two spaces":          refused(400, "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n"+smuggled),
		"three words":         refused(400, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"+smuggled),
		"a tunnel":            refused(501, "CONNECT backend:80 HTTP/1.1\r\nHost: backend:80\r\n\r\n"+smuggled),
	}
	for _, length := range []string{"+3", "-3", "0x3", "3 3", "3, 3", "3,4", "", " ", "3;", "٣", "\"3\"", "1e1", "99999999999999999999", "3\x00", "3\r"} {
		attacks["length "+strconv.Quote(length)] = refused(400, post("Content-Length: "+length+"\r\n", "abc"+smuggled))
	}
	attacks["two lengths"] = refused(400, post("Content-Length: 3\r\nContent-Length: 99\r\n", "abc"+smuggled))
	attacks["two lengths, one folded"] = refused(400, post("Content-Length: 3\r\n 9\r\n", "abc"+smuggled))
	for _, header := range []string{
		"Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", "Content-Length : 3", "Transfer Encoding: chunked", "\x0bTransfer-Encoding: chunked",
		"Transfer-Encoding\x00: chunked", "X: a\rTransfer-Encoding: chunked", "X: a\x00", "Transfer-Encoding: chunked\rX: a", ": chunked", "no colon",
	} {
		attacks["header "+strconv.Quote(header)] = refused(400, post(header+"\r\nContent-Length: 3\r\n", "abc"+smuggled))
	}
	for _, coding := range []string{
		"xchunked", "chunked, identity", "identity, chunked", "identity", "gzip, chunked", "chunked, chunked", "chunked;q=1", "chunked,", ",chunked",
		`"chunked"`, "chunk", "", "chunked\x0b", "cHuNkEd, x", "chunked\r\nTransfer-Encoding: chunked", "x\r\nTransfer-Encoding: chunked",
		"chunked\r\nTransfer-Encoding: x", "chunked\r\nTransfer-encoding: identity",
	} {
		status := 501
		if strings.ContainsAny(coding, "\x0b") {
			status = 400
		}
		attacks["coding "+strconv.Quote(coding)] = refused(status, post("Transfer-Encoding: "+coding+"\r\n", "0\r\n\r\n"+smuggled))
	}
	return attacks
}

// oddChunks are bodies whose chunks could be read in two ways.
func oddChunks() map[string]attack {
	fine := func(body, read string) attack {
		return attack{chunked(body + smuggled), []int{200}, []string{"POST /a " + read}}
	}
	attacks := map[string]attack{
		"plain":              fine("3\r\nabc\r\n0\r\n\r\n", "abc"),
		"extension":          fine("3;a=b\r\nabc\r\n0;c\r\n\r\n", "abc"),
		"quoted extension":   fine("3;a=\"x;y\"\r\nabc\r\n0\r\n\r\n", "abc"),
		"leading zeros":      fine("0003\r\nabc\r\n000\r\n\r\n", "abc"),
		"upper case":         fine("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
		"space after":        fine("3 \r\nabc\r\n0\r\n\r\n", "abc"),
		"a request in them":  fine(strconv.FormatInt(int64(len(smuggled)), 16)+"\r\n"+smuggled+"\r\n0\r\n\r\n", smuggled),
		"trailer":            fine("3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", "abc"),
		"space in a trailer": fine("3\r\nabc\r\n0\r\nX-Sum : 1\r\n\r\n", "abc"),
		"64 bits":            refused(408, chunked("ffffffffffffffff\r\nabc\r\n0\r\n\r\n"+smuggled)),
		"framing in trailer": fine("3\r\nabc\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: identity\r\nHost: evil\r\n\r\n", "abc"),
		"announced trailer": {
			post("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"+smuggled),
			[]int{200},
			[]string{"POST /a abc|X-Sum: 1"},
		},
		"announced framing": refused(400, post("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", "0\r\nContent-Length: 99\r\n\r\n"+smuggled)),
	}
	for name, body := range map[string]string{
		"0x": "0x3\r\nabc\r\n0\r\n\r\n", "plus": "+3\r\nabc\r\n0\r\n\r\n", "minus": "-3\r\nabc\r\n0\r\n\r\n", "empty": "\r\nabc\r\n0\r\n\r\n",
		"space before": " 3\r\nabc\r\n0\r\n\r\n", "not hexadecimal": "3g\r\nabc\r\n0\r\n\r\n", "underscore": "1_0\r\nabc\r\n0\r\n\r\n",
		"more than 64 bits":      "10000000000000003\r\nabc\r\n0\r\n\r\n",
		"bare LF after the size": "3\nabc\r\n0\r\n\r\n", "bare CR in the size": "3\r0\r\nabc\r\n0\r\n\r\n", "bare LF after the data": "3\r\nabc\n0\r\n\r\n",
		"bare LF in an extension": "3;a\nb\r\nabc\r\n0\r\n\r\n", "bare CR in an extension": "3;a\rb\r\nabc\r\n0\r\n\r\n",
		"data too long": "3\r\nabcd\r\n0\r\n\r\n", "data too short": "4\r\nabc\r\n0\r\n\r\n", "long extension": "3;" + strings.Repeat("x", 8<<10) + "\r\nabc\r\n0\r\n\r\n",
		"much extension": strings.Repeat("1;"+strings.Repeat("x", 2<<10)+"\r\na\r\n", 20) + "0\r\n\r\n", "trailer without colon": "0\r\nX-Sum\r\n\r\n",
	} {
		attacks[name] = refused(400, chunked(body+smuggled))
	}
	return attacks
}

// TestNothingIsSmuggled checks that every attack ends as one request or none. The bytes
// after it on the connection must never be read as another request.
func TestNothingIsSmuggled(t *testing.T) {
	t.Parallel()
	for name, attacks := range map[string]map[string]attack{"framing": ambiguousFraming(), "chunks": oddChunks()} {
		for what, attack := range attacks {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				backend := count(t)
				k := startBefore(t, bounded("idle_timeout: 2s"), backend.url)
				w := k.dial()
				_, _ = io.WriteString(w.Conn, attack.sent) // the gateway may close before all is sent
				if got := statusesOf(t, w); !slices.Equal(got, attack.statuses) {
					t.Errorf("answered %v, want %v", got, attack.statuses)
				}
				if got := backend.seen(); !slices.Equal(got, attack.requests) {
					t.Errorf("the backend saw %q, want %q", got, attack.requests)
				}
			})
		}
	}
}

// statusesOf reads answers until the connection is closed.
func statusesOf(t testing.TB, w *testkit.Client) []int {
	t.Helper()
	var statuses []int
	for {
		asked := &http.Request{Method: http.MethodHead} // ReadResponse does not wait for a body ...
		res, err := http.ReadResponse(w.In, asked)
		if err != nil {
			if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
				t.Error("the connection is not closed")
			}
			return statuses
		}
		statuses = append(statuses, res.StatusCode)
		next, _ := w.In.Peek(5) // ... so a body is skipped here
		for len(next) > 0 && string(next) != "HTTP/" {
			_, _ = w.In.Discard(1)
			next, _ = w.In.Peek(5)
		}
	}
}
