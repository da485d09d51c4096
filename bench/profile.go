package main

// This file has the gateway profile itself at work: what the compiler optimises it by (https://go.dev/doc/pgo).

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// profileLength is how long the profile is taken. The operators' listener allows 40 seconds for an answer.
const profileLength = 25 * time.Second

// writeProfile writes a CPU profile of the gateway under strict requests with many tokens.
func (r *runner) writeProfile(ctx context.Context, file string) error {
	all := workloads()
	w := all[slices.IndexFunc(all, func(w workload) bool { return w.name == "tokens" })]
	gateways := contenders()
	e := &entrant{contender: gateways[slices.IndexFunc(gateways, func(c contender) bool { return c.ours() && c.strict })]}
	defer e.stop()
	if err := r.start(ctx, w, e); err != nil {
		return err
	}
	opened, err := e.load.open(ctx)
	if err != nil {
		return err
	}
	defer opened.close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() { _, _ = opened.keepBusy(ctx, 2*profileLength, 0) }()
	fmt.Fprintf(r.progress, "profiling the gateway for %s\n", profileLength)
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", e.scene.Ops, int(profileLength.Seconds()))
	profile, err := fetch(ctx, url)
	if err != nil {
		return fmt.Errorf("fetch the profile: %w", err)
	}
	if profile, err = withoutPath(profile, r.gatehouse); err != nil {
		return fmt.Errorf("read the profile: %w", err)
	}
	if err := os.WriteFile(filepath.Clean(file), profile, 0o644); err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	fmt.Fprintf(r.progress, "written to %s\n", file)
	return nil
}

// withoutPath takes the place of the program on this machine out of a profile, which is compressed and knows the length
// of every text in it.
func withoutPath(profile []byte, path string) ([]byte, error) {
	in, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	plain = bytes.ReplaceAll(plain, []byte(path), []byte(strings.Repeat("/", len(path)-len(name))+name))
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	if _, err := compressed.Write(plain); err != nil {
		return nil, err
	}
	err = compressed.Close()
	return out.Bytes(), err
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, content)
	}
	return content, err
}
