// Command bare is the yardstick: httputil.ReverseProxy with a tuned transport and a buffer pool, and nothing else.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	backend := flag.String("backend", "", "URL of the backend")
	cert := flag.String("cert", "", "certificate, PEM; without it plain HTTP is served")
	key := flag.String("key", "", "its key, PEM")
	flag.Parse()
	if err := serve(*listen, *backend, *cert, *key); err != nil {
		fmt.Fprintf(os.Stderr, "bare: %v\n", err)
		os.Exit(1)
	}
}

func serve(listen, backend, cert, key string) error {
	target, err := url.Parse(backend)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              listen,
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &httputil.ReverseProxy{
			Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
			BufferPool: buffers{&sync.Pool{New: func() any { return new([32 << 10]byte) }}},
			Transport: &http.Transport{
				MaxIdleConnsPerHost: 1024,
				IdleConnTimeout:     90 * time.Second,
				DisableCompression:  true,
			},
		},
	}
	if cert != "" {
		return server.ListenAndServeTLS(cert, key)
	}
	return server.ListenAndServe()
}

// buffers lends the proxy what bodies flow through.
type buffers struct{ *sync.Pool }

func (b buffers) Get() []byte       { return b.Pool.Get().(*[32 << 10]byte)[:] }
func (b buffers) Put(buffer []byte) { b.Pool.Put((*[32 << 10]byte)(buffer)) }
