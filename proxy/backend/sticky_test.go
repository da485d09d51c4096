package backend

import (
	"bytes"
	"testing"

	"gatehouse/config"
)

// stickyBackend returns a backend of three servers with sticky cookies.
func stickyBackend(t testing.TB, name string, keys ...string) *Backend {
	registry := newTestRegistry()
	var list [][]byte
	for _, key := range keys {
		list = append(list, []byte(key))
	}
	registry.SetKeys(list)
	return newTestBackend(t, registry, func(cfg *config.Backend) {
		cfg.Name, cfg.Sticky = name, &config.Sticky{Cookie: "gh"}
	}, 1, 1, 0)
}

// The tag of a server finds it, also after the keys were changed in turn, and not with other
// keys or at another backend.
func TestTags(t *testing.T) {
	b := stickyBackend(t, "orders", "old key", "older key")
	for i, server := range b.Servers() {
		tag := b.Tag(server)
		if b.Tagged(tag) != server {
			t.Errorf("the tag of server %d finds another one", i)
		}
		if renewed := stickyBackend(t, "orders", "new key", "old key"); renewed.Tagged(tag) != renewed.Servers()[i] || renewed.Tag(renewed.Servers()[i]) == tag {
			t.Errorf("with a new key in front, the tag of server %d is not that of the old one", i)
		}
		for name, other := range map[string]*Backend{
			"other keys": stickyBackend(t, "orders", "new key"), "another backend": stickyBackend(t, "site", "old key"), "no keys": stickyBackend(t, "orders"),
		} {
			if other.Tagged(tag) != nil {
				t.Errorf("%s: the tag of server %d is valid", name, i)
			}
		}
	}
	if none := stickyBackend(t, "orders"); none.Tag(none.Servers()[0]) != "" || none.Tagged("") != nil {
		t.Error("without keys, a server has a tag")
	}
}

// FuzzTagged tries values of cookies: only those that the gateway has made find a server.
func FuzzTagged(f *testing.F) {
	b := stickyBackend(f, "orders", "a key", "an old key")
	old := stickyBackend(f, "orders", "an old key")
	made := map[string]string{}
	for i, server := range b.Servers() {
		made[b.Tag(server)] = server.ID()
		made[old.Tag(old.Servers()[i])] = server.ID()
		f.Add([]byte(b.Tag(server)))
		f.Add([]byte(b.Tag(server) + "="))
		f.Add([]byte(b.Tag(server)[1:]))
		f.Add([]byte(server.ID()))
		f.Add(bytes.ToUpper([]byte(b.Tag(server))))
	}
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAA"))
	f.Fuzz(func(t *testing.T, value []byte) {
		id := ""
		if server := b.Tagged(string(value)); server != nil {
			id = server.ID()
		}
		if id != made[string(value)] {
			t.Errorf("%q finds the server %q, want %q", value, id, made[string(value)])
		}
	})
}
