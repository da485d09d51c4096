// This file has a map for counters that is read without a lock.

package ops

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// copyOnWriteMap has a V for each requested K. It is for few keys: it takes a
// lock, and copies the map, only to add a key.
type copyOnWriteMap[K cmp.Ordered, V any] struct {
	entries atomic.Pointer[[]mapEntry[K, V]] // sorted and immutable; nil for none
	adding  sync.Mutex
}

type mapEntry[K cmp.Ordered, V any] struct {
	key   K
	value *V
}

func (m mapEntry[K, V]) compare(key K) int { return cmp.Compare(m.key, key) }

// get returns the V of a K. It makes a new one the first time.
func (f *copyOnWriteMap[K, V]) get(key K) *V {
	if entries, at, found := f.search(key); found {
		return entries[at].value
	}
	f.adding.Lock()
	defer f.adding.Unlock()
	entries, at, found := f.search(key)
	if !found { // no other goroutine added it meanwhile
		entries = slices.Insert(slices.Clip(entries), at, mapEntry[K, V]{key, new(V)}) // clipped, so that it is copied
		f.entries.Store(&entries)
	}
	return entries[at].value
}

func (f *copyOnWriteMap[K, V]) search(key K) (entries []mapEntry[K, V], at int, found bool) {
	if have := f.entries.Load(); have != nil {
		entries = *have
	}
	at, found = slices.BinarySearchFunc(entries, key, mapEntry[K, V].compare)
	return entries, at, found
}

// keepOnly removes all other keys. A V that a caller already has stays usable.
func (f *copyOnWriteMap[K, V]) keepOnly(key K) {
	f.adding.Lock()
	defer f.adding.Unlock()
	entries, at, found := f.search(key)
	switch {
	case !found:
		f.entries.Store(nil)
	case len(entries) > 1:
		entries = slices.Clone(entries[at : at+1])
		f.entries.Store(&entries)
	}
}

// all yields the values in the order of the keys.
func (f *copyOnWriteMap[K, V]) all() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		have := f.entries.Load()
		if have == nil {
			return
		}
		for _, m := range *have {
			if !yield(m.key, m.value) {
				return
			}
		}
	}
}
