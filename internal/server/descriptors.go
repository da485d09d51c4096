package server

import (
	"log/slog"

	"gatehouse/config"
	"gatehouse/internal/descriptors"
)

// fewClients is the number of clients' connections below which a limit of the
// system is most likely a mistake.
const fewClients = 1024

// divideDescriptors divides the file descriptors that this process may have.
func divideDescriptors() descriptors.Division { return descriptors.Divide(descriptorLimit()) }

// logDescriptors says how many clients the system's limit allows, where that is
// less than the table's.
func logDescriptors(log *slog.Logger, cfg *config.Config) {
	d := divideDescriptors()
	if d.Limit == 0 || cfg.Limits.Connections > 0 && int64(d.Clients) >= int64(cfg.Limits.Connections) {
		return
	}
	attrs := []any{"open_files", d.Limit, "client_connections", d.Clients, "limits_connections", cfg.Limits.Connections}
	const message = "the limit of open files bounds clients' connections: raise it (ulimit -n, LimitNOFILE) to take more"
	if d.Clients < fewClients {
		log.Warn(message, attrs...)
		return
	}
	log.Info(message, attrs...)
}
