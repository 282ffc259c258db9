package picture

// Kind says why bytes were refused. Its values are part of the REST answers.
type Kind string

// The kinds of refusal.
const (
	// KindNotAPicture: no picture format at all (HTML, PDF, text, empty, unknown bytes).
	KindNotAPicture Kind = "not_a_picture"
	// KindTooLarge: over one of the Limits; another file of the same scene would do.
	KindTooLarge Kind = "too_large"
	// KindBroken: JPEG, PNG or WebP by its first bytes, but damaged or cut short.
	KindBroken Kind = "broken"
	// KindUnsupported: a sound picture in a format, or a variant of one, that is not read.
	KindUnsupported Kind = "unsupported"
)

// Error is the only error type that Decode returns.
type Error struct {
	Kind Kind
	Msg  string // for users: what is wrong and what to change, no internal text
	Err  error  // the decoder's own error for logs; nil where there is none
}

// Error gives Msg and, where there is one, the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

// Unwrap gives the decoder's own error.
func (e *Error) Unwrap() error { return e.Err }
