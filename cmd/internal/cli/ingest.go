package cli

import (
	"net/url"
	"time"
)

// minEvery keeps a scheduled feed from being all that a shop's server does.
const minEvery = 10 * time.Second

// checkIngest is Check's part for what takes and does changes.
func (s Settings) checkIngest(p *problems) {
	p.add(!oneOf(s.Queue, "", "embedded", "redis"), "--queue %q: use embedded or redis", s.Queue)
	p.add(s.Workers < 0 || s.Workers > 256, "--workers %d: use 0 to 256", s.Workers)
	p.add(s.Every < 0 || s.Every > 0 && s.Every < minEvery, "--every %s: use %s or more", s.Every, minEvery)
	u, err := url.Parse(s.Server)
	p.add(s.Server != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"),
		"--server %q: use the address that searchd printed, such as http://127.0.0.1:8080", s.Server)
}
