package server

import (
	"context"
	"fmt"

	"gatehouse/config/textfile"
	"gatehouse/config/watch"
	"gatehouse/internal/secretkeys"
)

// secretKeys names the group with the file of GATEWAY_SECRET_KEYS_FILE.
const secretKeys = "secret keys"

// useOfSticky is for what the keys of sticky cookies are derived.
const useOfSticky = "sticky cookies of backends"

// followSecretKeys reads the keys of GATEWAY_SECRET_KEYS_FILE, and again whenever the file
// is edited. It returns an error when they cannot be read at the start. Later, the last good
// keys stay.
func (g *gateway) followSecretKeys() error {
	path := g.settings.SecretKeysFile
	if path == "" {
		return nil
	}
	take := func(context.Context) error {
		text, err := textfile.Read(path)
		if err != nil {
			return fmt.Errorf("read GATEWAY_SECRET_KEYS_FILE: %w", err)
		}
		ring, err := secretkeys.Parse(text)
		if err != nil {
			return fmt.Errorf("read GATEWAY_SECRET_KEYS_FILE: %w", err)
		}
		g.parts.backends.SetKeys(ring.Derive(useOfSticky))
		return nil
	}
	g.files.Follow(watch.Group{Name: secretKeys, Paths: []string{path}, Apply: take})
	return take(context.Background())
}
