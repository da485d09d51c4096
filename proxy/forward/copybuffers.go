package forward

import (
	"net/http/httputil"
	"sync"
)

// copyBuffers lends httputil the buffers through which bodies flow.
type copyBuffers struct{ pool sync.Pool }

// copyBufferBytes is what httputil would use itself.
const copyBufferBytes = 32 << 10

// NewCopyBuffers returns the buffers that the Backends of one table share.
func NewCopyBuffers() httputil.BufferPool {
	return &copyBuffers{pool: sync.Pool{New: func() any { return new([copyBufferBytes]byte) }}}
}

// Get implements httputil.BufferPool.
func (b *copyBuffers) Get() []byte { return b.pool.Get().(*[copyBufferBytes]byte)[:] }

// Put implements httputil.BufferPool.
func (b *copyBuffers) Put(buffer []byte) { b.pool.Put((*[copyBufferBytes]byte)(buffer)) }
