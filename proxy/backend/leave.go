package backend

import "time"

// This file handles servers that leave a backend: a table or a lookup does not name them
// any more.

// Watch makes the server call end when it has left its backend and the time for streams is
// over. stop must be called when the stream has ended.
func (s *Server) Watch(end func()) (stop func()) {
	key := new(func())
	*key = end
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.gone && s.ended { // the stream has begun too late
		go end()
		return func() {}
	}
	if s.streams == nil {
		s.streams = map[*func()]struct{}{}
	}
	s.streams[key] = struct{}{}
	return func() {
		s.of.mu.Lock()
		defer s.of.mu.Unlock()
		delete(s.streams, key)
	}
}

// forgetOthers forgets the servers that the backend does not have.
func (b *Backend) forgetOthers() {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	named := map[*Server]bool{}
	for _, m := range b.members() {
		named[m.server] = true
		b.state.remember(m.server)
	}
	b.state.forget(func(s *Server) bool { return !named[s] })
	b.state.changed()
}

// remember takes back a server that has left: a table or a lookup names it again before the
// time for its streams is over. The caller holds mu.
func (s *state) remember(server *Server) {
	if !server.gone {
		return
	}
	server.gone, server.ended = false, false
	server.leaves.Stop()
	delete(s.departing, server.Address)
	s.departed -= server.departed
	s.servers[server.Address] = server
}

// forget forgets servers. Their requests finish. Their streams end after a while. The
// caller holds mu.
func (s *state) forget(which func(*Server) bool) {
	for at, server := range s.servers {
		if !which(server) {
			continue
		}
		delete(s.servers, at)
		server.gone = true
		server.departed = server.attempts()
		s.departed += server.departed
		s.departing[at] = server
		server.leaves = time.AfterFunc(s.registry.streamTime, server.endStreams)
		if s.registry.left != nil {
			go s.registry.left(at)
		}
	}
}

// endStreams ends the streams of a server that has left.
func (s *Server) endStreams() {
	s.of.mu.Lock()
	if !s.gone {
		s.of.mu.Unlock()
		return
	}
	if s.of.departing[s.Address] == s {
		delete(s.of.departing, s.Address)
	}
	streams := s.streams
	s.streams, s.ended = nil, true
	s.of.mu.Unlock()
	for end := range streams {
		go (*end)()
	}
}
