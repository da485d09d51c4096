package forward

// foldedNames is a set of header names that a backend may take for one
// another: case does not matter, and CGI-like servers turn "-" and "_" (some
// every character but letters and digits) into the same variable. They are
// kept folded and grouped by length, by which most headers are dismissed.
type foldedNames [][]string

func foldNames(names ...string) foldedNames {
	var set foldedNames
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

// has reports whether the header is one of the names, however it is spelled.
func (s foldedNames) has(header string) bool {
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

// equalFolded compares a header with a folded name of its length.
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

// isAlias reports whether a name has a character that folds to "-" and is none.
func isAlias(name string) bool {
	for i := range len(name) {
		if name[i] != '-' && foldByte(name[i]) == '-' {
			return true
		}
	}
	return false
}
