package route

import "testing"

func BenchmarkParsePath(b *testing.B) {
	for name, target := range map[string]string{
		"plain":   "/api/v1/query/chats/42/messages?limit=20",
		"time":    "/api/v1/query/chats/at/12:30?limit=20",
		"escaped": "/api/v1/query/caf%C3%A9/a%20b?limit=20",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := ParsePath(target); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}
