// This file reads the environment, and the .env file that fills its gaps.

package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"gatehouse/config/problem"
	"gatehouse/config/textfile"
)

// Lookup returns a variable of the environment, like os.LookupEnv.
type Lookup func(name string) (value string, found bool)

// Environment returns a lookup that reads the real environment first, and then
// the .env file at dotenvPath. The file may be missing.
func Environment(dotenvPath string, lookup Lookup) (Lookup, error) {
	variables, err := readDotenv(dotenvPath)
	if err != nil {
		return nil, err
	}
	return func(name string) (string, bool) {
		if value, found := lookup(name); found {
			return value, true
		}
		value, found := variables[name]
		return value, found
	}, nil
}

// DotenvNames lists the variables of a .env file, for Unknown. It returns none
// for a file that cannot be read: Environment returns that error.
func DotenvNames(path string) []string {
	variables, _ := readDotenv(path)
	return slices.Sorted(maps.Keys(variables))
}

// readDotenv reads a .env file. No error contains its text, which may be a
// secret.
func readDotenv(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, textfile.WithoutPath(err))
	}
	if data, err = textfile.Clean(data); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for number, line := range strings.Split(string(data), "\n") {
		// The parser would insert a variable's value there, or nothing.
		_, value, _ := strings.Cut(line, "=")
		if value = strings.TrimSpace(value); strings.Contains(value, "$") && value[0] != '\'' && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			return nil, fmt.Errorf("read %s:%d: a value with $ in it needs single quotes around it", path, number+1)
		}
	}
	variables, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		return nil, fmt.Errorf("read %s:%d: the line is not NAME=value, or a quote is not closed", path, badLine(string(data)))
	}
	return variables, nil
}

// badLine returns the first line that is not valid by itself, in a .env file
// that is not valid as a whole.
func badLine(data string) int {
	lines := strings.Split(data, "\n")
	for i, line := range lines {
		if _, err := godotenv.Unmarshal(line + "\n"); err != nil {
			return i + 1
		}
	}
	return len(lines)
}

// Unknown warns about variables whose name is close to that of a setting, but
// is not one. The names may be entries of os.Environ.
func Unknown(names []string) problem.List {
	known := settingNames()
	var warnings problem.List
	for _, name := range names {
		name, _, _ = strings.Cut(name, "=")
		// Compare only the part after the prefix.
		suffix, ours := strings.CutPrefix(name, settingPrefix)
		if !ours {
			continue
		}
		if near := nearestSetting(suffix, known); near != "" {
			warnings = append(warnings, problem.Problem{
				Severity: problem.SeverityWarning,
				Message:  name + " is not a setting",
				Hint:     "did you mean " + near + "?",
			})
		}
	}
	return warnings
}

// nearestSetting returns the setting that a name without its prefix was meant
// to be. It returns "" when the name is a setting, or none is near.
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
	if near := problem.Nearest(suffix, suffixes); near != "" {
		return settingPrefix + near
	}
	return ""
}
