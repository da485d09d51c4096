// Command backend answers what the gateways are asked, as cheaply as net/http can: GET by the last element of the path
// ("100KiB" and "1MiB" are that large, all else is 101 bytes), POST with the number of bytes it was sent, and
// WebSockets with what they said.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "addresses to listen on, with commas between")
	flag.Parse()
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &answers{bodies: map[string][]byte{
			"100KiB": []byte(strings.Repeat("x", 100<<10)),
			"1MiB":   []byte(strings.Repeat("x", 1<<20)),
		}, small: []byte(strings.Repeat("x", 101))},
	}
	failed := make(chan error)
	for address := range strings.SplitSeq(*listen, ",") {
		listener, err := net.Listen("tcp", address)
		go func() {
			if err == nil {
				err = server.Serve(listener)
			}
			failed <- err
		}()
	}
	fmt.Fprintf(os.Stderr, "backend: %v\n", <-failed)
	os.Exit(1)
}

type answers struct {
	bodies map[string][]byte
	small  []byte
}

// ServeHTTP implements http.Handler.
func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		echo(w, r)
		return
	}
	answer := a.small
	if r.Method == http.MethodPost {
		received, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		answer = strconv.AppendInt(nil, received, 10)
	} else if body, found := a.bodies[path.Base(r.URL.Path)]; found {
		answer = body
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Write(answer)
}
