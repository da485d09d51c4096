package keys

// This file fetches what an issuer publishes, from a URL or a file: bounded in
// size and time.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"gatehouse/config/textfile"
)

// Bounds on fetching keys.
const (
	maxSetBytes  = 1 << 20
	maxRedirects = 3
	fetchTimeout = 10 * time.Second

	fileFresh    = 5 * time.Second // a file costs next to nothing to look at
	defaultFresh = 10 * time.Minute
	leastFresh   = 5 * time.Minute
	mostFresh    = 15 * time.Minute
)

// fetch gets the text of a key set, and says for how long it may be kept.
type fetch func(ctx context.Context) (content []byte, fresh time.Duration, err error)

// newTransport leaves no connection open for ten minutes of silence.
// Certificates are verified with the system's roots.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// newClient follows redirects over https only: whoever can change the keys
// on their way can sign as the issuer.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		Timeout:   fetchTimeout,
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if next.URL.Scheme != "https" {
				return errors.New("redirected away from https")
			}
			if len(before) > maxRedirects {
				return fmt.Errorf("redirected more than %d times", maxRedirects)
			}
			return nil
		},
	}
}

// fetchURL gets a key set over HTTP.
func fetchURL(client *http.Client, address string) fetch {
	return func(ctx context.Context) ([]byte, time.Duration, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return nil, defaultFresh, fmt.Errorf("fetch keys: %w", withoutURL(err))
		}
		request.Header.Set("Accept", "application/jwk-set+json, application/json, application/x-pem-file")
		request.Header.Set("User-Agent", "gatehouse")
		response, err := client.Do(request)
		if err != nil {
			return nil, defaultFresh, fmt.Errorf("fetch keys: %w", withoutURL(err))
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, defaultFresh, fmt.Errorf("fetch keys: status %d", response.StatusCode)
		}
		content, err := readBounded(response.Body)
		return content, freshness(response.Header), err
	}
}

// withoutURL takes the URL out of an error: its query may be nobody's business.
func withoutURL(err error) error {
	if withURL, ok := errors.AsType[*url.Error](err); ok {
		return withURL.Err
	}
	return err
}

// freshness honours max-age (RFC 9111 section 5.2.2.1) within bounds: a key
// taken back by its issuer must go, and an issuer must not be overrun.
func freshness(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return min(max(time.Duration(seconds)*time.Second, leastFresh), mostFresh)
		}
	}
	return defaultFresh
}

// fetchFile reads a key set from a file, which may be replaced at any time.
func fetchFile(path string, read func(path string) ([]byte, error)) fetch {
	return func(context.Context) ([]byte, time.Duration, error) {
		if read != nil {
			content, err := read(path)
			if err != nil {
				return nil, fileFresh, fmt.Errorf("read keys: %w", err)
			}
			content, err = readBounded(bytes.NewReader(content))
			return content, fileFresh, err
		}
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for somebody to write
			err = errors.New("not a regular file")
		}
		if err != nil {
			return nil, fileFresh, fmt.Errorf("read keys: %w", err)
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, fileFresh, fmt.Errorf("read keys: %w", err)
		}
		defer file.Close()
		content, err := readBounded(file)
		return content, fileFresh, err
	}
}

func readBounded(r io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxSetBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read keys: %w", err)
	case len(content) > maxSetBytes:
		return nil, fmt.Errorf("read keys: more than %d bytes", maxSetBytes)
	}
	if content, err = textfile.Clean(content); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return content, nil
}
