package http2conn

import "golang.org/x/net/http2/hpack"

// This file reads the representations of fields (RFC 7541 section 6). It decodes no text,
// unless its size decides whether a field is inserted into the dynamic table.

// Bits that begin a representation, or an update of the table's size. Without them, a
// field is not inserted.
const (
	indexedBit  = 0x80 // RFC 7541 section 6.1
	insertedBit = 0x40 // RFC 7541 section 6.2.1
	sizeBit     = 0x20 // RFC 7541 section 6.3
	neverBit    = 0x10 // RFC 7541 section 6.2.3
	huffmanBit  = 0x80 // RFC 7541 section 5.2

	// Fields of the static table (RFC 7541 appendix A).
	indexedGET   = indexedBit | 2 // ":method: GET"
	indexedPath  = indexedBit | 4 // ":path: /"
	indexedHTTPS = indexedBit | 7 // ":scheme: https"
)

// Sizes of the tables.
const (
	staticEntries = 61   // RFC 7541 appendix A
	entryOverhead = 32   // RFC 7541 section 4.1
	maxTable      = 4096 // of net/http's server
	maxEntries    = maxTable / entryOverhead
)

// name is a name that matters; it is an index of names.
type name uint8

const (
	otherName name = iota
	methodName
	pathName
	schemeName
	teName // may only be "trailers"
	connectionName
	keepAliveName
	proxyConnectionName
	transferEncodingName
	upgradeName
)

// names are the names in both encodings, and names of the same length that are used in
// place of those that the server refuses (RFC 9113 section 8.2.2).
var names = [...]struct{ plain, huffman, instead string }{
	methodName:           {plain: ":method", huffman: huffman(":method")},
	pathName:             {plain: ":path", huffman: huffman(":path")},
	schemeName:           {plain: ":scheme", huffman: huffman(":scheme")},
	teName:               {"te", huffman("te"), "t_"},
	connectionName:       {"connection", huffman("connection"), "connectio_"},
	keepAliveName:        {"keep-alive", huffman("keep-alive"), "keep-aliv_"},
	proxyConnectionName:  {"proxy-connection", huffman("proxy-connection"), "proxy-connectio_"},
	transferEncodingName: {"transfer-encoding", huffman("transfer-encoding"), "transfer-encodin_"},
	upgradeName:          {"upgrade", huffman("upgrade"), "upgrad_"},
}

// trailers is the only value of TE.
const trailers = "trailers"

var trailersHuffman = huffman(trailers)

func huffman(text string) string { return string(hpack.AppendHuffmanString(nil, text)) }

// entry is what is known of an entry of a table.
type entry struct {
	nameSize  uint32
	valueSize uint32 // at most
	named     name
	badTE     bool // TE is not "trailers"
	renamed   bool // the server has it with another name
}

// size returns the size of a field with the entry's name and value, at most.
func (e entry) size() int { return int(e.nameSize) + int(e.valueSize) + entryOverhead }

// staticTable has the entries of the static table by their index.
var staticTable = newStaticTable()

func newStaticTable() (entries [staticEntries + 1]entry) {
	decoder := hpack.NewDecoder(0, nil)
	for i := 1; i < len(entries); i++ {
		fields, _ := decoder.DecodeFull([]byte{indexedBit | byte(i)}) // all of these are valid
		for _, f := range fields {
			entries[i] = entry{nameSize: uint32(len(f.Name)), valueSize: uint32(len(f.Value))}
			entries[i].named = nameOf(text{encoded: []byte(f.Name)})
		}
	}
	return entries
}

// table is what is known of the dynamic table of a connection. It may also have entries
// that were evicted: no valid block refers to them, and the numbers of the others begin
// with the newest entry.
type table struct {
	entries [maxEntries]entry
	next    int
	reduced int // by how much the client has reduced the size of the table
}

// at returns the entry with an index, or nil.
func (t *table) at(index int) *entry {
	switch {
	case index < 1 || index > staticEntries+maxEntries:
		return nil
	case index <= staticEntries:
		return &staticTable[index]
	}
	return &t.entries[(t.next+maxEntries-(index-staticEntries))%maxEntries]
}

// insert inserts an entry that has room in the table.
func (t *table) insert(e entry) {
	t.entries[t.next] = e
	t.next = (t.next + 1) % maxEntries
}

// field is one field of a block.
type field struct {
	from, to int  // its place in the block
	kind     byte // the bits that begin it
	inserted bool // into the table
	entry    entry
	value    text // empty if it is that of an entry
}

// readField reads the field at a place of a block.
func (t *table) readField(f *field, b []byte, at int) (ok bool) {
	*f = field{from: at}
	bits := 0
	switch c := b[at]; {
	case c&indexedBit != 0:
		f.kind, bits = indexedBit, 7
	case c&insertedBit != 0:
		f.kind, bits = insertedBit, 6
	default:
		f.kind, bits = c&neverBit, 4
	}
	index, n := integer(b[at:], bits)
	if n == 0 {
		return false
	}
	at += n
	if index > 0 || f.kind == indexedBit {
		known := t.at(index)
		if known == nil {
			return false
		}
		f.entry = *known
	} else {
		named, ok := textAt(b[at:])
		if !ok {
			return false
		}
		f.entry = entry{nameSize: uint32(named.size()), named: nameOf(named)}
		at += len(named.whole)
	}
	f.to = at
	return f.kind == indexedBit || t.readValue(f, b)
}

// readValue reads the value of a field, which follows its name.
func (t *table) readValue(f *field, b []byte) (ok bool) {
	if f.value, ok = textAt(b[f.to:]); !ok {
		return false
	}
	f.to += len(f.value.whole)
	f.entry.valueSize = uint32(f.value.maxSize())
	f.entry.badTE = f.entry.named == teName && len(f.value.encoded) > 0 && !f.value.is(trailers, trailersHuffman)
	f.inserted = f.kind == insertedBit && t.hasRoom(f)
	return true
}

// hasRoom reports whether a field is inserted. One that is larger than the table only
// makes it empty (RFC 7541 section 4.4).
func (t *table) hasRoom(f *field) bool {
	size := maxTable - t.reduced
	return f.entry.size() <= size || int(f.entry.nameSize)+f.value.size()+entryOverhead <= size
}

// integer reads an integer whose first byte has some bits of it (RFC 7541 section 5.1). n
// is the number of bytes; 0 if it is malformed, or too large for any block.
func integer(b []byte, bits int) (value, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	most := 1<<bits - 1
	if value = int(b[0]) & most; value < most {
		return value, 1
	}
	for n = 1; n < len(b) && n <= 4; n++ {
		value += int(b[n]&0x7f) << (7 * (n - 1))
		if b[n]&0x80 == 0 {
			return value, n + 1
		}
	}
	return 0, 0
}

// text is a string of a block.
type text struct {
	whole   []byte // with its length
	encoded []byte
	huffman bool
}

// textAt reads the string at the beginning of b (RFC 7541 section 5.2).
func textAt(b []byte) (t text, ok bool) {
	length, n := integer(b, 7)
	if n == 0 || length > len(b)-n {
		return t, false
	}
	return text{whole: b[:n+length], encoded: b[n : n+length], huffman: b[0]&huffmanBit != 0}, true
}

// maxSize returns the size of the text, at most: the shortest code has five bits.
func (t text) maxSize() int {
	if t.huffman {
		return len(t.encoded) * 8 / 5
	}
	return len(t.encoded)
}

// size returns the size of the text.
func (t text) size() int {
	if !t.huffman {
		return len(t.encoded)
	}
	var n counter
	_, _ = hpack.HuffmanDecode(&n, t.encoded) // the server finds the errors
	return int(n)
}

// counter counts bytes.
type counter int

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// is reports whether the text is a word, which is given in both encodings.
func (t text) is(plain, huffman string) bool {
	if t.huffman {
		return string(t.encoded) == huffman
	}
	return string(t.encoded) == plain
}

// nameOf returns which name a text is.
func nameOf(t text) name {
	if len(t.encoded) > len("transfer-encoding") {
		return otherName
	}
	for i := range names {
		if i > 0 && t.is(names[i].plain, names[i].huffman) {
			return name(i)
		}
	}
	return otherName
}
