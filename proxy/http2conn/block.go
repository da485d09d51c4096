package http2conn

import (
	"net/http"
	"strconv"
	"strings"
)

// block is a header block of a client, and its change for the server.
type block struct {
	request bool // not a trailer
	limit   int
	from    []byte
	to      []byte // what replaces the beginning of from, if it has changed
	done    int    // how much of from is in to
	status  int    // of the answer; 0 if the handler shall decide
	size    int    // of the header, at most
	te      int    // how many fields are TE
	pseudo  [schemeName + 1]bool
}

// spare is the space in a header for the fields that a block adds.
const spare = 192

// verdict is what the server gets in place of a block.
type verdict int

const (
	passBlock   verdict = iota // the block as it is
	changeBlock                // another block
	cutBlock                   // the beginning of the block; so the table of the server is wrong from now on
	badBlock                   // the block as it is: it is malformed, and the server ends the connection
)

// read reads a header block, and notes what it inserts into the table. Only requests are
// changed, no trailers.
func (t *table) read(from []byte, limit int, request bool) (instead []byte, v verdict) {
	b := block{request: request, limit: limit - spare, from: from}
	var f field
	for at := 0; at < len(from); {
		if from[at]&(indexedBit|insertedBit|sizeBit) == sizeBit {
			size, n := integer(from[at:], 5)
			if n == 0 || size > maxTable {
				return nil, badBlock
			}
			t.reduced = maxTable - size
			at += n
			continue
		}
		if !t.readField(&f, from, at) {
			return nil, badBlock
		}
		if b.size += f.entry.size(); request && b.size > b.limit {
			return b.cut(at), cutBlock
		}
		b.add(&f)
		if f.inserted {
			t.insert(f.entry)
		}
		at = f.to
	}
	if b.status != 0 {
		b.replace(len(from), len(from), marker(b.status))
	}
	if b.to == nil {
		return nil, passBlock
	}
	return append(b.to, from[b.done:]...), changeBlock
}

// marker returns the field with the status of the answer.
func marker(status int) []byte {
	text := strconv.Itoa(status)
	field := appendName(nil, 0, strings.ToLower(RefuseHeader))
	return append(append(field, byte(len(text))), text...)
}

// cut returns the block without what begins at a place, for a 431. The server demands some
// of the pseudo-fields.
func (b *block) cut(at int) []byte {
	var end []byte
	for named, instead := range [...]byte{methodName: indexedGET, pathName: indexedPath, schemeName: indexedHTTPS} {
		if instead != 0 && !b.pseudo[named] {
			end = append(end, instead)
		}
	}
	b.replace(at, at, append(end, marker(http.StatusRequestHeaderFieldsTooLarge)...))
	return b.to
}

// add decides about the next field. A field that is inserted into the table stays, because
// the client may refer to it later; but it gets a name that the server accepts. Other
// fields that are refused are left out.
func (b *block) add(f *field) {
	switch {
	case f.entry.named == otherName || !b.request:
		return
	case f.entry.named <= schemeName:
		b.pseudo[f.entry.named] = true
		return
	}
	refused := b.isRefused(f)
	if refused {
		b.status = http.StatusBadRequest
	}
	switch {
	case refused && !f.inserted:
		b.replace(f.from, f.to, nil)
	case refused:
		b.replace(f.from, f.to, append(appendName(nil, insertedBit, names[f.entry.named].instead), f.value.whole...))
		f.entry.renamed = true
	case f.entry.renamed: // the name is that of a field that was refused earlier
		b.replace(f.from, f.to, append(appendName(nil, f.kind, names[f.entry.named].plain), f.value.whole...))
		f.entry.renamed = false
	}
}

// isRefused reports whether net/http's server refuses a field with one of the names.
func (b *block) isRefused(f *field) bool {
	if f.entry.named != teName {
		return true
	}
	b.te++
	return b.te > 1 || f.entry.badTE || f.kind == indexedBit && f.entry.renamed
}

// replace puts other bytes in place of a part of the block.
func (b *block) replace(begin, end int, with []byte) {
	if b.to == nil {
		b.to = make([]byte, 0, len(b.from)+spare)
	}
	b.to = append(append(b.to, b.from[b.done:begin]...), with...)
	b.done = end
}

// appendName appends the beginning of a field with a new name.
func appendName(to []byte, kind byte, name string) []byte {
	return append(append(to, kind, byte(len(name))), name...)
}
