package main

// This file starts each gateway with a configuration that does the same work, and the backends.

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
)

func launchBare(ctx context.Context, s *scene) (*process, error) {
	args := []string{"-listen", s.Address, "-backend", "http://" + s.Backend}
	if s.TLS != nil {
		args = append(args, "-cert", s.TLS.Cert, "-key", s.TLS.Key)
	}
	return command{folder: s.Folder, path: s.bare, args: args}.start(ctx)
}

func launchGatehouse(ctx context.Context, s *scene) (*process, error) {
	table, err := s.write("routes.yaml")
	if err != nil {
		return nil, err
	}
	env := []string{
		"GATEWAY_LISTEN=" + s.Address,
		"GATEWAY_OPS_LISTEN=" + cmp.Or(s.Ops, "127.0.0.1:0"),
		"GATEWAY_JWT_SECRET=" + s.Secret,
		"GATEWAY_DATABASE_URL=sqlite:" + filepath.Join(s.Folder, "users.db"),
	}
	if s.TLS != nil {
		env = append(env, "GATEWAY_TLS_CERT_FILE="+s.TLS.Cert, "GATEWAY_TLS_KEY_FILE="+s.TLS.Key)
	}
	env = append(env, s.settings...)
	users := command{folder: s.Folder, path: s.gatehouse, args: []string{"users", "import", "-"}, env: env}
	if err := users.run(ctx, bytes.NewReader(s.users)); err != nil {
		return nil, err
	}
	return command{folder: s.Folder, path: s.gatehouse, args: []string{"-c", table, "serve"}, env: env}.start(ctx)
}

func launchHAProxy(ctx context.Context, s *scene) (*process, error) {
	return s.launch(ctx, "haproxy", "haproxy.cfg", "-db", "-f")
}

func launchNginx(ctx context.Context, s *scene) (*process, error) {
	return s.launch(ctx, "nginx", "nginx.conf", "-p", s.Folder, "-e", filepath.Join(s.Folder, "error.log"), "-c")
}

func launchCaddy(ctx context.Context, s *scene) (*process, error) {
	return s.launch(ctx, "caddy", "Caddyfile", "run", "--adapter", "caddyfile", "--config")
}

// launch starts a program of this machine; the configuration is the last of its arguments.
func (s *scene) launch(ctx context.Context, program, config string, args ...string) (*process, error) {
	path, err := find(program)
	if err != nil {
		return nil, err
	}
	file, err := s.write(config)
	if err != nil {
		return nil, err
	}
	return command{
		folder: s.Folder, path: path, args: append(args, file),
		env: []string{"HOME=" + s.Folder, "XDG_DATA_HOME=" + s.Folder, "XDG_CONFIG_HOME=" + s.Folder},
	}.start(ctx)
}

// launchFastBackend starts nginx to answer GET.
func launchFastBackend(ctx context.Context, s *scene) (*process, error) {
	if err := os.MkdirAll(s.Folder, 0o755); err != nil {
		return nil, err
	}
	for name, size := range map[string]int{"100KiB": 100 << 10, "1MiB": 1 << 20} {
		if err := os.WriteFile(filepath.Join(s.Folder, name), bytes.Repeat([]byte("x"), size), 0o644); err != nil {
			return nil, err
		}
	}
	return s.launch(ctx, "nginx", "backend.conf", "-p", s.Folder, "-e", filepath.Join(s.Folder, "error.log"), "-c")
}

// Small is the small answer of the backend.
func (s *scene) Small() string { return strings.Repeat("x", smallAnswer) }
