package access

import (
	"errors"
	"strings"
)

var errForwarded = errors.New("not a Forwarded header of RFC 7239")

// element is what one proxy noted.
type element struct{ node, proto string } // for= and proto=

// parseForwarded reads a Forwarded header. It takes the whole of it or nothing:
// in one that is broken, nobody can tell who wrote what.
func parseForwarded(text string) ([]element, error) {
	var all []element
	for s := (scanner{text}); ; {
		e, err := s.element()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		if s.space(); s.rest == "" {
			return all, nil
		}
		if !s.take(',') {
			return nil, errForwarded
		}
	}
}

// scanner walks over the text of a header.
type scanner struct{ rest string }

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }

func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// element reads name=value pairs between semicolons; there may be none. A name
// that comes twice is an error, as either could be the right one.
func (s *scanner) element() (element, error) {
	var e element
	seen := map[string]bool{}
	for {
		s.space()
		name := strings.ToLower(s.token())
		if name != "" {
			if !s.take('=') || seen[name] {
				return e, errForwarded
			}
			seen[name] = true
			value, ok := s.value()
			if !ok {
				return e, errForwarded
			}
			switch name {
			case "for":
				e.node = value
			case "proto":
				e.proto = value
			}
		}
		if s.space(); !s.take(';') {
			return e, nil
		}
	}
}

// token reads the characters of RFC 9110's token; "" where there are none.
func (s *scanner) token() string {
	n := strings.IndexFunc(s.rest, func(r rune) bool { return !tokenRune(r) })
	if n < 0 {
		n = len(s.rest)
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

func tokenRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// value reads a token or a quoted string.
func (s *scanner) value() (string, bool) {
	if !s.take('"') {
		v := s.token()
		return v, v != ""
	}
	var b strings.Builder
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return b.String(), true
		case c == '\\' && s.rest != "":
			b.WriteByte(s.rest[0])
			s.rest = s.rest[1:]
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
