package server

import (
	"context"
	"fmt"

	"gatehouse/auth/keys"
	"gatehouse/config/settings"
	"gatehouse/config/textfile"
	"gatehouse/config/watch"
)

// tokenKeys names the group of files with the keys of tokens.
const tokenKeys = "keys of tokens"

// SigningKeys returns the keys that the settings name: a private key or the
// secret, which signs, and the previous ones, which verify.
func SigningKeys(s settings.Settings) (keys.Ring, error) {
	ring, err := currentKeys(s)
	if err != nil || s.JWTPreviousKeysFile == "" {
		return ring, err
	}
	pem, err := textfile.Read(s.JWTPreviousKeysFile)
	if err == nil {
		ring, err = ring.WithPreviousKeys(pem)
	}
	if err != nil {
		return keys.Ring{}, fmt.Errorf("read GATEWAY_JWT_PREVIOUS_KEYS_FILE: %w", err)
	}
	return ring, nil
}

// currentKeys returns the keys without the previous private keys.
func currentKeys(s settings.Settings) (keys.Ring, error) {
	var previous [][]byte
	for _, secret := range s.JWTPreviousSecrets {
		previous = append(previous, []byte(secret.Reveal()))
	}
	if s.JWTPrivateKeyFile == "" {
		return keys.FromSecret(s.JWTAlgorithm, []byte(s.JWTSecret.Reveal()), previous...)
	}
	pem, err := textfile.Read(s.JWTPrivateKeyFile)
	if err != nil {
		return keys.Ring{}, fmt.Errorf("read GATEWAY_JWT_PRIVATE_KEY_FILE: %w", err)
	}
	ring, err := keys.FromPEM(pem)
	if err != nil {
		return keys.Ring{}, fmt.Errorf("read GATEWAY_JWT_PRIVATE_KEY_FILE: %w", err)
	}
	if s.JWTAlgorithm != "" && s.JWTAlgorithm != ring.Algorithm {
		return keys.Ring{}, fmt.Errorf("GATEWAY_JWT_ALGORITHM is %s, but the key in GATEWAY_JWT_PRIVATE_KEY_FILE is for %s",
			s.JWTAlgorithm, ring.Algorithm)
	}
	return ring.WithPreviousSecrets(previous...)
}

// keySet returns the published keys, or nil when there are only secrets.
func (p *parts) keySet() []byte {
	set, _ := p.keys.PublicSet()
	return set
}

// followKeys follows the files that the settings name, before they are read. So
// editing a file changes the signing key of a running gateway. The files are
// read together, because a key is removed from one when it is added to the
// other.
func (g *gateway) followKeys(take func(context.Context) error) {
	var paths []string
	for _, name := range []string{
		"GATEWAY_JWT_PRIVATE_KEY_FILE", "GATEWAY_JWT_PREVIOUS_KEYS_FILE", "GATEWAY_JWT_SECRET_FILE", "GATEWAY_JWT_PREVIOUS_SECRETS_FILE",
	} {
		if path, _ := g.Lookup(name); path != "" {
			paths = append(paths, path)
		}
	}
	g.files.Follow(watch.Group{Name: tokenKeys, Paths: paths, Apply: take})
}

// readKeys reads the files again. The settings themselves do not change.
func (g *gateway) readKeys() (keys.Ring, error) {
	read, err := settings.Load(g.Lookup)
	if err == nil {
		err = read.CheckSigning()
	}
	if err != nil {
		return keys.Ring{}, err
	}
	return SigningKeys(read)
}

// renewKeys compiles the served table again with newly read keys. When they
// cannot be read, the old keys stay in use.
func (r *reloader) renewKeys(ctx context.Context, read func() (keys.Ring, error)) error {
	ring, err := read()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.parts.keys
	r.parts.keys = ring
	if err := r.recompileLocked(); err != nil {
		r.parts.keys = before
		return err
	}
	r.log.InfoContext(ctx, "keys of tokens renewed", "algorithm", ring.Algorithm)
	return nil
}
