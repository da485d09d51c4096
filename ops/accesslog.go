package ops

import (
	"strconv"
	"time"
	"unicode/utf8"

	"gatehouse/proxy"
)

// AccessLog writes access lines as JSON. The bytes are the same as those that
// slog's JSONHandler writes for the records of proxy.Access, without its
// reflection and allocations. Tests compare the two.
type AccessLog struct{ lines *LogWriter }

// NewAccessLog returns an access log that writes to lines.
func NewAccessLog(lines *LogWriter) AccessLog { return AccessLog{lines} }

// typicalLine is longer than nearly all lines. A longer line costs an
// allocation.
const typicalLine = 1024

// LogAccess implements proxy.AccessLog.
func (l AccessLog) LogAccess(entry proxy.Access) {
	var buffer [typicalLine]byte
	_, _ = l.lines.Write(appendAccess(buffer[:0], &entry))
}

// appendAccess appends the line. Route names and paths may contain anything, so
// all text is escaped. Levels and addresses need no escaping.
func appendAccess(line []byte, a *proxy.Access) []byte {
	line = append(line, `{"time":"`...)
	line = a.Time.AppendFormat(line, time.RFC3339Nano)
	line = append(line, `","level":"`...)
	line = append(line, a.Level.String()...)
	line = append(line, `","msg":"`+proxy.AccessMessage+`","request_id":"`...)
	line = appendEscaped(line, a.RequestID)
	line = append(line, `","method":"`...)
	line = appendEscaped(line, a.Method)
	line = append(line, `","path":"`...)
	line = appendEscaped(line, a.Path)
	line = append(line, `","route":"`...)
	line = appendEscaped(line, a.Route)
	line = append(line, `","status":`...)
	line = strconv.AppendInt(line, int64(a.Status), 10)
	line = append(line, `,"duration_ms":`...)
	line = strconv.AppendFloat(line, a.Milliseconds(), 'f', -1, 64) // JSON would use an exponent for other sizes only
	line = append(line, `,"bytes":`...)
	line = strconv.AppendInt(line, a.Bytes, 10)
	line = append(line, `,"client_ip":"`...)
	line = a.ClientIP.AppendTo(line)
	line = append(line, '"')
	if a.Origin != "" {
		line = append(line, `,"origin":"`...)
		line = append(appendEscaped(line, a.Origin), '"')
	}
	if a.UserID != "" {
		line = append(line, `,"user_id":"`...)
		line = appendEscaped(line, a.UserID)
		line = append(line, `","company_id":"`...)
		line = append(appendEscaped(line, a.CompanyID), '"')
	}
	if a.Server != "" {
		line = append(line, `,"server":"`...)
		line = append(appendEscaped(line, a.Server), `","attempts":`...)
		line = strconv.AppendInt(line, int64(a.Attempts), 10)
	}
	if a.Error != "" {
		line = append(line, `,"error":"`...)
		line = append(appendEscaped(line, a.Error), '"')
	}
	return append(line, "}\n"...)
}

// appendEscaped appends text for the inside of a JSON string. It escapes as
// encoding/json does without escaping HTML, except for control characters: slog
// uses a short form for only three of them.
func appendEscaped(line []byte, text string) []byte {
	const hex = "0123456789abcdef"
	done := 0 // the length of the text that is appended so far
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		var escape [6]byte
		escaped := escape[:0]
		switch {
		case c == '"' || c == '\\':
			escaped = append(escaped, '\\', c)
		case c == '\n':
			escaped = append(escaped, `\n`...)
		case c == '\r':
			escaped = append(escaped, `\r`...)
		case c == '\t':
			escaped = append(escaped, `\t`...)
		case c < ' ':
			escaped = append(escaped, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		default:
			var r rune
			switch r, size = utf8.DecodeRuneInString(text[i:]); {
			case r == utf8.RuneError && size == 1:
				escaped = append(escaped, `\ufffd`...)
			case r == '\u2028' || r == '\u2029': // line breaks in JavaScript
				escaped = append(escaped, '\\', 'u', '2', '0', '2', hex[r&0xf])
			}
		}
		if len(escaped) > 0 {
			line = append(append(line, text[done:i]...), escaped...)
			done = i + size
		}
		i += size
	}
	return append(line, text[done:]...)
}
