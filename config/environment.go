// The environment, and the .env file that fills its gaps.

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/joho/godotenv"
)

// Environment gives a lookup that asks the real environment first, and then the
// .env file at dotenvPath. A file that is not there is fine.
func Environment(dotenvPath string, lookup func(name string) (string, bool)) (func(name string) (string, bool), error) {
	variables, err := godotenv.Read(dotenvPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return lookup, nil
	case err != nil:
		if pathError, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, fmt.Errorf("read %s: %w", dotenvPath, pathError.Err)
		}
		// The parser's message repeats the text around the fault, which in
		// this file is likely a secret.
		return nil, fmt.Errorf("read %s: a line is not NAME=value, or a quote is not closed", dotenvPath)
	}
	return func(name string) (string, bool) {
		if value, found := lookup(name); found {
			return value, true
		}
		value, found := variables[name]
		return value, found
	}, nil
}

// UnknownSettings warns of variables that are not settings but nearly have the
// name of one. The names may be entries of os.Environ.
func UnknownSettings(names []string) Problems {
	known := settingNames()
	var warnings Problems
	for _, name := range names {
		name, _, _ = strings.Cut(name, "=")
		// Only the part after the prefix is compared: it is what differs.
		suffix, ours := strings.CutPrefix(name, settingPrefix)
		if !ours {
			continue
		}
		if near := nearestSetting(suffix, known); near != "" {
			warnings = append(warnings, Problem{
				Severity: SeverityWarning,
				Message:  name + " is not a setting",
				Hint:     "did you mean " + near + "?",
			})
		}
	}
	return warnings
}

// nearestSetting gives the setting that a name without its prefix was meant to
// be, or "" when it is one, or none is near.
func nearestSetting(suffix string, known []string) string {
	suffixes := make([]string, 0, len(known))
	for _, name := range known {
		rest, ours := strings.CutPrefix(name, settingPrefix)
		if rest == suffix {
			return ""
		}
		if ours {
			suffixes = append(suffixes, rest)
		}
	}
	if near := nearest(suffix, suffixes); near != "" {
		return settingPrefix + near
	}
	return ""
}
