package cli

import (
	"net/url"
	"time"
)

// minEvery keeps a scheduled feed from being all that a shop's server does.
const minEvery = 10 * time.Second

// checkIngest is Check's part for what takes and does changes.
func (s Settings) checkIngest() error {
	switch {
	case s.Queue != "" && s.Queue != "embedded" && s.Queue != "redis":
		return Usagef("--queue %q: use embedded or redis", s.Queue)
	case s.Workers < 0 || s.Workers > 256:
		return Usagef("--workers %d: use 0 to 256", s.Workers)
	case s.Every < 0 || s.Every > 0 && s.Every < minEvery:
		return Usagef("--every %s: use %s or more", s.Every, minEvery)
	}
	if u, err := url.Parse(s.Server); s.Server != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return Usagef("--server %q: use the address that searchd printed, such as http://127.0.0.1:8080", s.Server)
	}
	return nil
}
