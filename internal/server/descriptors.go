package server

import (
	"log/slog"

	"gatehouse/config"
	"gatehouse/internal/descriptors"
)

// fewClients is the number of client connections below which a system limit is
// probably a mistake.
const fewClients = 1024

// divideDescriptors divides the file descriptors of this process.
func divideDescriptors() descriptors.Division { return descriptors.Divide(descriptorLimit()) }

// logDescriptors logs how many clients the system's limit allows, when that is
// less than the table's limit.
func logDescriptors(log *slog.Logger, cfg *config.Config) {
	d := divideDescriptors()
	if d.Limit == 0 || cfg.Limits.Connections > 0 && int64(d.Clients) >= int64(cfg.Limits.Connections) {
		return
	}
	attrs := []any{"open_files", d.Limit, "client_connections", d.Clients, "limits_connections", cfg.Limits.Connections}
	const message = "the limit of open files bounds the connections of clients: raise it (ulimit -n, LimitNOFILE) to accept more"
	if d.Clients < fewClients {
		log.Warn(message, attrs...)
		return
	}
	log.Info(message, attrs...)
}
