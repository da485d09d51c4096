package forward

import (
	"net/http/httputil"
	"sync"
)

// copyBuffers is the pool of buffers that httputil copies bodies with.
type copyBuffers struct{ pool sync.Pool }

// copyBufferBytes is the size that httputil uses without a pool.
const copyBufferBytes = 32 << 10

// NewCopyBuffers returns a pool of buffers, which the Backends of one table share.
func NewCopyBuffers() httputil.BufferPool {
	return &copyBuffers{pool: sync.Pool{New: func() any { return new([copyBufferBytes]byte) }}}
}

// Get implements httputil.BufferPool.
func (b *copyBuffers) Get() []byte { return b.pool.Get().(*[copyBufferBytes]byte)[:] }

// Put implements httputil.BufferPool.
func (b *copyBuffers) Put(buffer []byte) { b.pool.Put((*[copyBufferBytes]byte)(buffer)) }
