package headers

// Names is a set of header names. It compares them as a careless backend does: case does
// not matter, and CGI-like servers turn "-" and "_" into the same variable. Some do so
// with every character except letters and digits. The names are stored folded and grouped
// by length, because the length alone excludes most headers.
type Names [][]string

// NewNames returns the set of the names.
func NewNames(names ...string) Names {
	var set Names
	for _, name := range names {
		for len(set) <= len(name) {
			set = append(set, nil)
		}
		folded := []byte(name)
		for i, c := range folded {
			folded[i] = foldByte(c)
		}
		set[len(name)] = append(set[len(name)], string(folded))
	}
	return set
}

// Has reports whether the header is one of the names, in any spelling.
func (s Names) Has(header string) bool {
	if len(header) >= len(s) {
		return false
	}
	for _, name := range s[len(header)] {
		if equalFolded(name, header) {
			return true
		}
	}
	return false
}

// HasPrefix reports whether the header begins with a folded prefix, in any spelling.
func HasPrefix(header, prefix string) bool {
	return len(header) >= len(prefix) && equalFolded(prefix, header[:len(prefix)])
}

// equalFolded reports whether a header equals a folded name of the same length.
func equalFolded(folded, header string) bool {
	for i := range len(folded) {
		if folded[i] != foldByte(header[i]) {
			return false
		}
	}
	return true
}

func foldByte(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	}
	return '-'
}

// IsAlias reports whether a name has a character, other than "-", that folds to "-".
func IsAlias(name string) bool {
	for i := range len(name) {
		if name[i] != '-' && foldByte(name[i]) == '-' {
			return true
		}
	}
	return false
}
