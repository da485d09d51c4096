package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/config/settings"
	"gatehouse/internal/hint"
	"gatehouse/ops"
)

// reloadTimeout is how long the command waits for the answer.
const reloadTimeout = 30 * time.Second

func newReload(t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make a running gateway read its route table now",
		Long: "Asks the gateway at GATEWAY_OPS_LISTEN to reload, and prints its answer: the changes, or every problem.\n" +
			"It sends GATEWAY_OPS_TOKEN, if that is set.\n" +
			"After a problem the gateway keeps its old table, and the exit status is 1.",
		Args: cobra.NoArgs,
	}
	format := formatFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := t.settings()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), reloadTimeout)
		defer cancel()
		answer, err := askReload(ctx, dialAddress(s.OpsListen), s.OpsToken)
		if err != nil {
			return err
		}
		if *format == "json" {
			err = printJSON(t.out, answer)
		} else {
			printReloaded(t.out, answer)
		}
		if err == nil && !answer.Reloaded {
			err = &reportedError{}
		}
		return err
	}
	return cmd
}

func askReload(ctx context.Context, address string, token settings.Secret) (ops.Reloaded, error) {
	var answer ops.Reloaded
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/-/reload", nil)
	if err != nil {
		return answer, err
	}
	if token.IsSet() {
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer, hint.With(fmt.Errorf("ask for a reload: %w", err),
			"is a gateway running here? GATEWAY_OPS_LISTEN is the address of its operators' listener")
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusUnauthorized {
		return answer, hint.With(fmt.Errorf("%s asks for its token", address), "set GATEWAY_OPS_TOKEN to that of the gateway")
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", address, err)
	}
	return answer, nil
}

func printReloaded(w io.Writer, answer ops.Reloaded) {
	for _, p := range answer.Problems {
		fmt.Fprintf(w, "%s:%d:%d: %s: %s\n", p.File, p.Line, p.Column, p.Severity, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", p.Hint)
		}
	}
	if !answer.Reloaded {
		fmt.Fprintln(w, "refused: the gateway keeps its old table")
		return
	}
	fmt.Fprintln(w, "reloaded")
	if answer.Changes != nil {
		printDiff(w, *answer.Changes)
	}
}

// dialAddress returns the address at which this machine can reach a listener.
func dialAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
