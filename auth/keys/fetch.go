package keys

// This file fetches the keys of an issuer from a URL or a file, bounded in size
// and time.

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

	fileFresh    = 5 * time.Second // reading a file is cheap
	defaultFresh = 10 * time.Minute
	leastFresh   = 5 * time.Minute
	mostFresh    = 15 * time.Minute
)

// fetch returns the text of a key set, and for how long it may be kept.
type fetch func(ctx context.Context) (content []byte, fresh time.Duration, err error)

// newTransport returns a transport that closes connections between two
// readings. It verifies certificates with the system's roots.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// newClient returns a client that follows redirects to https only. An attacker
// who can change the keys in transit can sign as the issuer.
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

// fetchURL fetches a key set over HTTP.
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

// withoutURL removes the URL from an error, because its query may be secret.
func withoutURL(err error) error {
	if withURL, ok := errors.AsType[*url.Error](err); ok {
		return withURL.Err
	}
	return err
}

// freshness uses max-age (RFC 9111 section 5.2.2.1) within bounds: a key that
// its issuer has withdrawn must disappear soon, and an issuer must not get too
// many requests.
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
		if err == nil && !info.Mode().IsRegular() { // opening a pipe would block until somebody writes to it
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
