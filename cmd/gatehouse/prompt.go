package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"gatehouse/auth/account"
	"gatehouse/config/settings"
	"gatehouse/config/textfile"
	"gatehouse/internal/hint"
)

// readNewPassword reads a new password and returns its hash. It prompts for the
// password twice. When standard input is not a terminal, it reads the first
// line.
func readNewPassword(ctx context.Context, t terminal, s settings.Settings) (hash string, err error) {
	password, err := readPassword(t)
	if err != nil {
		return "", err
	}
	if err := account.CheckNewPassword(password); err != nil {
		return "", err
	}
	passwords, err := account.NewPasswords(s.BcryptCost, nil)
	if err != nil {
		return "", err
	}
	return passwords.Hash(ctx, password)
}

func readPassword(t terminal) (string, error) {
	if file, ok := t.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		first, err := askPassword(t, file, "Password: ")
		if err != nil {
			return "", err
		}
		again, err := askPassword(t, file, "Again: ")
		if err != nil {
			return "", err
		}
		if first != again {
			return "", errors.New("the two passwords differ")
		}
		return first, nil
	}
	line, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil && line == "" {
		return "", hint.With(errors.New("read password: standard input is empty"),
			"pipe it in: printf '%s\\n' \"$PASSWORD\" | gatehouse users …")
	}
	text, err := textfile.Clean([]byte(line)) // PowerShell pipes a byte order mark before the text
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return textfile.CutLineBreak(string(text)), nil
}

func askPassword(t terminal, file *os.File, prompt string) (string, error) {
	fmt.Fprint(t.err, prompt)
	password, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(t.err)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(password), nil
}

// confirm asks a question and reports whether the answer is yes.
func confirm(t terminal, question string) bool {
	fmt.Fprintf(t.err, "%s [yes/no] ", question)
	line, _ := bufio.NewReader(t.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(line), "yes")
}
