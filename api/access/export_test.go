package access

// Remembered is how many callers a Limiter holds in memory.
func Remembered[K comparable](l *Limiter[K]) int { return len(l.now) + len(l.old) }
